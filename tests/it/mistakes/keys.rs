//! Keys, sections, and what is no TOML.

use super::{message, mistakes, spoilt};

mistakes! {
    an_unknown_key_names_the_nearest_known_one:
    "cores = 2" => "coers = 2"; r#"
error: [[plan]] "small" has no key `coers`
 --> bad.toml:6:1
  |
6 | coers = 2
  | ^^^^^
  |
  = help: did you mean `cores`?

1 problem in bad.toml
"#

    an_unknown_key_like_no_other_lists_the_known_ones:
    "memory = \"2GB\"" => "memory = \"2GB\"\nqwertz = 1"; r#"
error: [[plan]] "small" has no key `qwertz`
 --> bad.toml:8:1
  |
8 | qwertz = 1
  | ^^^^^^
  |
  = help: it may have: name, cores, memory, price, speed, slice, cold_start, cold_code,
          cold_after, thrashing

1 problem in bad.toml
"#

    an_unknown_section_names_the_nearest_known_one:
    "[[tier]]" => "[databse]\nmax_connections = 100\n\n[[tier]]"; r#"
error: a scenario has no key `databse`
  --> bad.toml:18:2
   |
18 | [databse]
   |  ^^^^^^^
   |
   = help: did you mean `database`?

1 problem in bad.toml
"#

    swap_is_not_a_key_of_a_plan:
    "memory = \"2GB\"" => "memory = \"2GB\"\nswap = \"1GB\""; r#"
error: [[plan]] "small" has no key `swap`
 --> bad.toml:8:1
  |
8 | swap = "1GB"
  | ^^^^
  |
  = help: it may have: name, cores, memory, price, speed, slice, cold_start, cold_code,
          cold_after, thrashing

1 problem in bad.toml
"#

    a_misspelt_patience_is_not_ignored:
    "[[tier]]" => "[client]\npatiense = \"30s\"\n\n[[tier]]"; r#"
error: [client] has no key `patiense`
  --> bad.toml:19:1
   |
19 | patiense = "30s"
   | ^^^^^^^^
   |
   = help: did you mean `patience`?

1 problem in bad.toml
"#

    a_key_given_twice_is_bad_syntax:
    "cores = 2" => "cores = 2\ncores = 3"; r#"
error: not TOML: duplicate key
 --> bad.toml:7:1
  |
7 | cores = 3
  | ^^^^^
  |
  = help: a table can have a key only once: remove one of them

1 problem in bad.toml
"#

    a_text_without_quotes_is_bad_syntax:
    "memory = \"2GB\"" => "memory = 2GB"; r#"
error: not TOML: string values must be quoted
 --> bad.toml:7:10
  |
7 | memory = 2GB
  |          ^^^
  |
  = help: texts, times, sizes and rates are written in quotes: "5ms", "2GB", "40/s"

1 problem in bad.toml
"#

    a_quote_left_open_is_bad_syntax_and_nothing_more:
    "\"small\"" => "\"small"; r#"
error: not TOML: invalid basic string, expected `"`
 --> bad.toml:5:14
  |
5 | name = "small
  |              ^
  |
  = help: each line is `key = value`, `[table]` or `[[list of tables]]`; texts are written
          in quotes

1 problem in bad.toml
"#

    single_brackets_for_a_list:
    "[[plan]]" => "[plan]"; r#"
error: expected `[[plan]]`, found a table
 --> bad.toml:4:2
  |
4 | [plan]
  |  ^^^^
  |
  = help: write [[plan]] with two brackets: there may be several

1 problem in bad.toml
"#

    no_stack:
    "stack = \"bare\"\n" => ""; r#"
error: a scenario has no `stack`
--> bad.toml
 = help: say where costs not written here come from: stack = "django", "flask",
         "fastapi", or "bare" for none at all

1 problem in bad.toml
"#

    an_unknown_stack:
    "\"bare\"" => "\"djnago\""; r#"
error: `djnago` is not a stack
 --> bad.toml:2:9
  |
2 | stack = "djnago"
  |         ^^^^^^^^
  |
  = help: did you mean `django`? (a stack is "bare", "django", "flask" or "fastapi")

1 problem in bad.toml
"#

    a_negative_seed:
    "stack" => "seed = -1\nstack"; r#"
error: `-1` is not a seed
 --> bad.toml:2:8
  |
2 | seed = -1
  |        ^^
  |
  = help: write a whole number from 0 up to 18446744073709551615

1 problem in bad.toml
"#
}
