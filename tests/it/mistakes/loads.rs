//! Tiers, names, effort and traffic.

use super::{message, mistakes, spoilt};

mistakes! {
    a_rate_of_nothing:
    "\"10/s\"" => "\"0/s\""; r#"
error: `0/s` is no traffic: a rate lies above 0
  --> bad.toml:20:8
   |
20 | rate = "0/s"
   |        ^^^^^
   |
   = help: write how many in what time, as in "40/s" or "30k/day"

1 problem in bad.toml
"#

    a_rate_without_a_time:
    "\"10/s\"" => "\"10\""; r#"
error: `10` is not a rate
  --> bad.toml:20:8
   |
20 | rate = "10"
   |        ^^^^
   |
   = help: write how many in what time, as in "40/s" or "30k/day"

1 problem in bad.toml
"#

    a_rate_beyond_anything:
    "\"10/s\"" => "\"1e12/s\""; r#"
error: `1e12/s` is above 1e9/s
  --> bad.toml:20:8
   |
20 | rate = "1e12/s"
   |        ^^^^^^^^
   |
   = help: write how many in what time, as in "40/s" or "30k/day"

1 problem in bad.toml
"#

    a_rate_and_visitors:
    "rate = \"10/s\"" => "rate = \"10/s\"\nvisitors = \"10k/day\""; r#"
error: `visitors` would be ignored: `rate` says how much comes
  --> bad.toml:21:1
   |
21 | visitors = "10k/day"
   | ^^^^^^^^
   |
   = help: remove one of them

1 problem in bad.toml
"#

    a_tier_without_a_load:
    "rate = \"10/s\"\n" => ""; r#"
error: [[tier]] "quiet" has neither `rate` nor `visitors`
  --> bad.toml:18:1
   |
18 | [[tier]]
   | ^^^^^^^^
   |
   = help: say how much comes: rate = "40/s", or visitors = "10k/day"

1 problem in bad.toml
"#

    a_conversion_of_a_rate:
    "rate = \"10/s\"" => "rate = \"10/s\"\npeak = 4"; r#"
error: `peak` would be ignored: only `visitors` are converted
  --> bad.toml:21:1
   |
21 | peak = 4
   | ^^^^
   |
   = help: remove it, or write visitors

1 problem in bad.toml
"#

    a_conversion_that_no_tier_uses:
    "[[tier]]" => "[traffic]\npeak = 4\n\n[[tier]]"; r#"
error: `peak` would be ignored: no tier has `visitors` that need it
  --> bad.toml:19:1
   |
19 | peak = 4
   | ^^^^
   |
   = help: remove it, or give a tier `visitors`

1 problem in bad.toml
"#

    a_tier_for_a_plan_that_is_none:
    "rate = \"10/s\"" => "rate = \"10/s\"\nplans = [\"smal\"]"; r#"
error: no plan is named `smal`
  --> bad.toml:21:10
   |
21 | plans = ["smal"]
   |          ^^^^^^
   |
   = help: did you mean `small`?

1 problem in bad.toml
"#

    a_name_used_twice:
    "[[server]]" => "[[plan]]\nname = \"small\"\ncores = 4\n\n[[server]]"; r#"
error: two of [[plan]] are named "small"
  --> bad.toml:10:8
   |
10 | name = "small"
   |        ^^^^^^^
   |
   = help: give each a name of its own

1 problem in bad.toml
"#

    an_empty_name:
    "\"small\"" => "\"\""; r#"
error: an empty text
 --> bad.toml:5:8
  |
5 | name = ""
  |        ^^
  |
  = help: write something between the quotes

1 problem in bad.toml
"#

    a_name_with_a_line_break_in_it:
    "\"small\"" => "\"sm\\nall\""; r#"
error: a name with control characters in it
 --> bad.toml:5:8
  |
5 | name = "sm\nall"
  |        ^^^^^^^^^
  |
  = help: leave out line breaks, tabs and other control characters

1 problem in bad.toml
"#

    precision_and_replications:
    "[[tier]]" => "[run]\nprecision = \"5%\"\nreplications = 30\n\n[[tier]]"; r#"
error: `replications` would be ignored: `precision` says how much to simulate
  --> bad.toml:20:1
   |
20 | replications = 30
   | ^^^^^^^^^^^^
   |
   = help: remove it, or remove `precision`

1 problem in bad.toml
"#

    a_warmup_of_no_replications:
    "[[tier]]" => "[run]\nwarmup = \"60s\"\n\n[[tier]]"; r#"
error: [run] has no `replications`, and a fixed effort needs it
  --> bad.toml:18:1
   |
18 | [run]
   | ^^^^^
   |
   = help: write replications = 30, warmup = "60s" and measure = "600s", or precision =
           "5%" alone

error: [run] has no `measure`, and a fixed effort needs it
  --> bad.toml:18:1
   |
18 | [run]
   | ^^^^^
   |
   = help: write replications = 30, warmup = "60s" and measure = "600s", or precision =
           "5%" alone

2 problems in bad.toml
"#

    a_precision_of_nothing:
    "[[tier]]" => "[run]\nprecision = \"0%\"\n\n[[tier]]"; r#"
error: a precision lies above 0% and up to 50%
  --> bad.toml:19:13
   |
19 | precision = "0%"
   |             ^^^^
   |
   = help: write "5%"

1 problem in bad.toml
"#

    a_speed_and_a_share_of_no_trace:
    "[[tier]]" => "[traffic]\nspeed = 2\nkeep = \"50%\"\n\n[[tier]]"; r#"
error: `speed` would be ignored: no `trace` is played
  --> bad.toml:19:1
   |
19 | speed = 2
   | ^^^^^
   |
   = help: remove it, or name the recording: trace = "day.csv.gz"

error: `keep` would be ignored: no `trace` is played
  --> bad.toml:20:1
   |
20 | keep = "50%"
   | ^^^^
   |
   = help: remove it, or name the recording: trace = "day.csv.gz"

2 problems in bad.toml
"#
}
