//! Endpoints: steps, times, distributions, weights.

use super::{message, mistakes, spoilt};

mistakes! {
    an_endpoint_without_steps:
    "steps = [{ compute = \"5ms\" }]\n" => ""; r#"
error: [[endpoint]] "page" has no `steps`
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: a step is { compute = "5ms" }, { query = "3ms", times = 4 }, { call = "80ms" }
           or { cache = "0.5ms" }

1 problem in bad.toml
"#

    an_endpoint_with_an_empty_list_of_steps:
    "[{ compute = \"5ms\" }]" => "[]"; r#"
error: a request without a step
  --> bad.toml:16:9
   |
16 | steps = []
   |         ^^
   |
   = help: a step is { compute = "5ms" }, { query = "3ms", times = 4 }, { call = "80ms" }
           or { cache = "0.5ms" }

1 problem in bad.toml
"#

    a_step_that_does_two_things:
    "{ compute = \"5ms\" }" => "{ compute = \"5ms\", query = \"3ms\" }"; r#"
error: a step does one thing, not compute and query
  --> bad.toml:16:10
   |
16 | steps = [{ compute = "5ms", query = "3ms" }]
   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: a step is { compute = "5ms" }, { query = "3ms", times = 4 }, { call = "80ms" }
           or { cache = "0.5ms" }

1 problem in bad.toml
"#

    a_step_that_does_nothing:
    "{ compute = \"5ms\" }" => "{ times = 2 }"; r#"
error: a step that does nothing
  --> bad.toml:16:10
   |
16 | steps = [{ times = 2 }]
   |          ^^^^^^^^^^^^^
   |
   = help: a step is { compute = "5ms" }, { query = "3ms", times = 4 }, { call = "80ms" }
           or { cache = "0.5ms" }

1 problem in bad.toml
"#

    a_step_too_many_times:
    "\"5ms\" }" => "\"5ms\", times = 20000 }"; r#"
error: `20000` is not between 1 and 10000
  --> bad.toml:16:37
   |
16 | steps = [{ compute = "5ms", times = 20000 }]
   |                                     ^^^^^
   |
   = help: write a whole number from 1 to 10000, without quotes

1 problem in bad.toml
"#

    a_time_that_is_none:
    "\"5ms\"" => "\"5 parsecs\""; r#"
error: `5 parsecs` is not a time
  --> bad.toml:16:22
   |
16 | steps = [{ compute = "5 parsecs" }]
   |                      ^^^^^^^^^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_time_without_a_unit:
    "\"5ms\"" => "5"; r#"
error: `5` has no unit: expected a time
  --> bad.toml:16:22
   |
16 | steps = [{ compute = 5 }]
   |                      ^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_negative_time:
    "\"5ms\"" => "\"-5ms\""; r#"
error: `-5ms` is a time below 0
  --> bad.toml:16:22
   |
16 | steps = [{ compute = "-5ms" }]
   |                      ^^^^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_time_of_centuries:
    "\"5ms\"" => "\"1000000h\""; r#"
error: `1000000h` is longer than ten years
  --> bad.toml:16:22
   |
16 | steps = [{ compute = "1000000h" }]
   |                      ^^^^^^^^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_misspelt_distribution:
    "\"5ms\"" => "\"expo(5ms)\""; r#"
error: `expo` is not a distribution; did you mean `exp`?
  --> bad.toml:16:22
   |
16 | steps = [{ compute = "expo(5ms)" }]
   |                      ^^^^^^^^^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_distribution_with_a_mean_of_nothing:
    "\"5ms\"" => "\"exp(0ms)\""; r#"
error: the mean must lie above 0
  --> bad.toml:16:22
   |
16 | steps = [{ compute = "exp(0ms)" }]
   |                      ^^^^^^^^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

1 problem in bad.toml
"#

    a_mix_without_weight:
    "\"5ms\"" => "{ mix = [[0, \"5ms\"]] }"; r#"
error: the weights of a mix sum to 0
  --> bad.toml:16:30
   |
16 | steps = [{ compute = { mix = [[0, "5ms"]] } }]
   |                              ^^^^^^^^^^^^
   |
   = help: give at least one part a weight

1 problem in bad.toml
"#

    a_file_of_times_that_is_not_there:
    "\"5ms\"" => "{ empirical = \"nowhere.csv\" }"; r#"
error: cannot read no/such/folder/nowhere.csv: No such file or directory (os error 2)
  --> bad.toml:16:36
   |
16 | steps = [{ compute = { empirical = "nowhere.csv" } }]
   |                                    ^^^^^^^^^^^^^
   |
   = help: name a file with one time per line, as in 12.5ms, beside the scenario

1 problem in bad.toml
"#

    weights_that_sum_to_zero:
    "name = \"page\"" => "name = \"page\"\nweight = 0"; r#"
error: the weights of all endpoints sum to 0
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: give at least one endpoint a weight above 0

1 problem in bad.toml
"#

    a_negative_weight:
    "name = \"page\"" => "name = \"page\"\nweight = -1"; r#"
error: `-1` is out of range here
  --> bad.toml:16:10
   |
16 | weight = -1
   |          ^^
   |
   = help: write a number from 0 up to 1000000000, without quotes

1 problem in bad.toml
"#
}
