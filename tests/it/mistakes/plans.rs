//! Plans: cores, memory, price.

use super::{message, mistakes, spoilt};

mistakes! {
    a_plan_without_cores:
    "cores = 2\n" => ""; r#"
error: [[plan]] "small" has no `cores`
 --> bad.toml:4:1
  |
4 | [[plan]]
  | ^^^^^^^^
  |
  = help: say how many it has: cores = 2

1 problem in bad.toml
"#

    a_plan_without_a_name:
    "name = \"small\"\n" => ""; r#"
error: [[plan]] has no `name`
 --> bad.toml:4:1
  |
4 | [[plan]]
  | ^^^^^^^^
  |
  = help: give it one: name = "..."

1 problem in bad.toml
"#

    a_plan_with_no_core:
    "cores = 2" => "cores = 0"; r#"
error: `0` is not between 1 and 4096
 --> bad.toml:6:9
  |
6 | cores = 0
  |         ^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    absurdly_many_cores:
    "cores = 2" => "cores = 5000"; r#"
error: `5000` is not between 1 and 4096
 --> bad.toml:6:9
  |
6 | cores = 5000
  |         ^^^^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    cores_beyond_any_number:
    "cores = 2" => "cores = 99999999999999999999999999999999999999999"; r#"
error: `99999999999999999999999999999999999999999` is not between 1 and 4096
 --> bad.toml:6:9
  |
6 | cores = 99999999999999999999999999999999999999999
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    cores_with_an_exponent:
    "cores = 2" => "cores = 1e300"; r#"
error: expected a whole number, found `1e300`
 --> bad.toml:6:9
  |
6 | cores = 1e300
  |         ^^^^^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    half_a_core:
    "cores = 2" => "cores = 2.5"; r#"
error: expected a whole number, found `2.5`
 --> bad.toml:6:9
  |
6 | cores = 2.5
  |         ^^^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    a_number_in_quotes:
    "cores = 2" => "cores = \"2\""; r#"
error: expected a whole number, found `"2"`
 --> bad.toml:6:9
  |
6 | cores = "2"
  |         ^^^
  |
  = help: write a whole number from 1 to 4096, without quotes

1 problem in bad.toml
"#

    negative_memory:
    "\"2GB\"" => "\"-2GB\""; r#"
error: `-2GB` is an amount below 0
 --> bad.toml:7:10
  |
7 | memory = "-2GB"
  |          ^^^^^^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    memory_without_a_unit:
    "\"2GB\"" => "2"; r#"
error: `2` has no unit: expected an amount of memory
 --> bad.toml:7:10
  |
7 | memory = 2
  |          ^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    memory_in_no_known_unit:
    "\"2GB\"" => "\"2GBit\""; r#"
error: `2GBit` is not an amount of memory
 --> bad.toml:7:10
  |
7 | memory = "2GBit"
  |          ^^^^^^^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    more_than_a_petabyte:
    "\"2GB\"" => "\"2000TB\""; r#"
error: `2000TB` is more than a petabyte
 --> bad.toml:7:10
  |
7 | memory = "2000TB"
  |          ^^^^^^^^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    memory_without_a_unit_or_an_end:
    "\"2GB\"" => "1e300"; r#"
error: `1e300` has no unit: expected an amount of memory
 --> bad.toml:7:10
  |
7 | memory = 1e300
  |          ^^^^^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    no_memory_at_all:
    "\"2GB\"" => "\"0GB\""; r#"
error: an amount above 0 is needed here
 --> bad.toml:7:10
  |
7 | memory = "0GB"
  |          ^^^^^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

1 problem in bad.toml
"#

    a_negative_price:
    "memory = \"2GB\"" => "memory = \"2GB\"\nprice = -1"; r#"
error: `-1` is out of range here
 --> bad.toml:8:9
  |
8 | price = -1
  |         ^^
  |
  = help: write a number from 0 up to 1000000000, without quotes

1 problem in bad.toml
"#

    a_price_without_end:
    "memory = \"2GB\"" => "memory = \"2GB\"\nprice = 1.50e300"; r#"
error: `1.50e300` is out of range here
 --> bad.toml:8:9
  |
8 | price = 1.50e300
  |         ^^^^^^^^
  |
  = help: write a number from 0 up to 1000000000, without quotes

1 problem in bad.toml
"#

    a_speed_beyond_any_number:
    "memory = \"2GB\"" => "memory = \"2GB\"\nspeed = 0xffffffffffffffffffffffffffffffffff"; r#"
error: `0xffffffffffffffffffffffffffffffffff` is out of range here
 --> bad.toml:8:9
  |
8 | speed = 0xffffffffffffffffffffffffffffffffff
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a number from 0.01 up to 100, without quotes

1 problem in bad.toml
"#

    a_cold_start_that_never_comes:
    "memory = \"2GB\"" => "memory = \"2GB\"\nslice = \"2ms\"\ncold_start = \"1ms\""; r#"
error: `cold_start` would be ignored: without `cold_after` nothing goes cold
 --> bad.toml:9:1
  |
9 | cold_start = "1ms"
  | ^^^^^^^^^^
  |
  = help: add over what time: cold_after = "8ms"

1 problem in bad.toml
"#

    code_that_never_goes_cold:
    "memory = \"2GB\"" => "memory = \"2GB\"\ncold_code = 3"; r#"
error: `cold_code` would be ignored: without `cold_after` nothing goes cold
 --> bad.toml:8:1
  |
8 | cold_code = 3
  | ^^^^^^^^^
  |
  = help: add over what time: cold_after = "8ms"

1 problem in bad.toml
"#

    thrashing_where_memory_never_runs_out:
    "memory = \"2GB\"" => "thrashing = \"5s\""; r#"
error: `thrashing` would be ignored: without a limit memory never runs out
 --> bad.toml:7:1
  |
7 | thrashing = "5s"
  | ^^^^^^^^^
  |
  = help: add how much there is: memory = "2GB"

1 problem in bad.toml
"#
}

#[test]
fn a_stack_may_say_over_what_time_things_go_cold() {
    let cold = "memory = \"2GB\"\nslice = \"2ms\"\ncold_start = \"1ms\"\ncold_code = 3";
    let text = spoilt(&[("memory = \"2GB\"", cold), ("\"bare\"", "\"flask\"")]);
    assert_eq!(message(&text, &[]), "no problem at all");
}
