//! One bad scenario per kind of problem, with the exact message, as the user sees it.

use std::path::Path;

use tonnage::scenario::{load, read};

/// A good scenario, which each mistake spoils in one place.
const GOOD: &str = r#"title = "A queue"
stack = "bare"

[[plan]]
name = "small"
cores = 2
memory = "2GB"

[[server]]
name = "web"
kind = "sync"
workers = 2

[[endpoint]]
name = "page"
steps = [{ compute = "5ms" }]

[[tier]]
name = "quiet"
rate = "10/s"
"#;

/// The message for `text`, changed by the arguments `sets`.
fn message(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    match read("bad.toml", text, &sets, Some(Path::new("no/such/folder"))) {
        Ok(_) => "no problem at all".to_owned(),
        Err(problems) => problems.render(false),
    }
}

/// The good scenario with each left side replaced by its right side.
fn spoilt(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (good, bad)| {
        assert!(text.contains(good), "the good scenario has no `{good}`");
        text.replacen(good, bad, 1)
    })
}

/// Each is a test: its name, what it changes in the good scenario (in the file, or by `--set`),
/// and the message that must come of it.
macro_rules! mistakes {
    ($($name:ident: $($good:literal => $bad:literal),+; $message:literal)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(message(&spoilt(&[$(($good, $bad)),+]), &[]), $message[1..]);
        })+
    };
    (set: $($name:ident: $set:literal; $message:literal)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(message(GOOD, &[$set]), $message[1..]);
        })+
    };
}

#[test]
fn the_good_scenario_is_good() {
    assert_eq!(message(GOOD, &[]), "no problem at all");
}

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
          cold_after

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
          cold_after

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
  = help: a key stands once in a table: remove one of them

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
  = help: texts, times, sizes and rates stand in quotes: "5ms", "2GB", "40/s"

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
  = help: each line is `key = value`, `[table]` or `[[list of tables]]`; texts stand in
          quotes

1 problem in bad.toml
"#

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
error: not between 1 and 4096
 --> bad.toml:6:9
  |
6 | cores = 99999999999999999999999999999999999999999
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
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

    an_unknown_kind_of_server:
    "\"sync\"" => "\"greenlets\""; r#"
error: `greenlets` is not a kind of server
  --> bad.toml:11:8
   |
11 | kind = "greenlets"
   |        ^^^^^^^^^^^
   |
   = help: write "sync", "threads" or "async"

1 problem in bad.toml
"#

    a_server_without_a_kind:
    "kind = \"sync\"\n" => ""; r#"
error: [[server]] "web" has no `kind`
 --> bad.toml:9:1
  |
9 | [[server]]
  | ^^^^^^^^^^
  |
  = help: write kind = "sync", "threads" or "async"

1 problem in bad.toml
"#

    no_workers:
    "workers = 2" => "workers = 0"; r#"
error: `0` is not between 1 and 100000
  --> bad.toml:12:11
   |
12 | workers = 0
   |           ^
   |
   = help: write a whole number from 1 to 100000, without quotes

1 problem in bad.toml
"#

    too_many_workers:
    "workers = 2" => "workers = 200000"; r#"
error: `200000` is not between 1 and 100000
  --> bad.toml:12:11
   |
12 | workers = 200000
   |           ^^^^^^
   |
   = help: write a whole number from 1 to 100000, without quotes

1 problem in bad.toml
"#

    workers_that_come_to_none:
    "workers = 2" => "workers = \"cores-2\""; r#"
error: `cores-2` gives 0 workers for plan "small"
  --> bad.toml:12:11
   |
12 | workers = "cores-2"
   |           ^^^^^^^^^
   |
   = help: a server needs a worker: write "max(1, cores-2)"

1 problem in bad.toml
"#

    workers_by_a_name_that_is_not_known:
    "workers = 2" => "workers = \"2*cpus+1\""; r#"
error: cannot work out `2*cpus+1` for plan "small": `cpus` is not known here
  --> bad.toml:12:11
   |
12 | workers = "2*cpus+1"
   |           ^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

1 problem in bad.toml
"#

    workers_divided_by_zero:
    "workers = 2" => "workers = \"1/(cores-2)\""; r#"
error: `1/(cores-2)` gives no number for plan "small"
  --> bad.toml:12:11
   |
12 | workers = "1/(cores-2)"
   |           ^^^^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

1 problem in bad.toml
"#

    workers_by_memory_that_the_plan_does_not_say:
    "memory = \"2GB\"\n" => "", "workers = 2" => "workers = \"memory_gb*2\""; r#"
error: cannot work out `memory_gb*2` for plan "small": the plan says no `memory`
  --> bad.toml:11:11
   |
11 | workers = "memory_gb*2"
   |           ^^^^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

1 problem in bad.toml
"#

    threads_of_a_sync_server:
    "workers = 2" => "workers = 2\nthreads = 4"; r#"
error: `threads` would be ignored: only kind = "threads" has it
  --> bad.toml:13:1
   |
13 | threads = 4
   | ^^^^^^^
   |
   = help: remove it, or write kind = "threads"

1 problem in bad.toml
"#

    a_switch_interval_of_a_loop_without_threads:
    "\"sync\"" => "\"async\"\nswitch_interval = \"5ms\""; r#"
error: `switch_interval` would be ignored: only a server with `threads` has it
  --> bad.toml:12:1
   |
12 | switch_interval = "5ms"
   | ^^^^^^^^^^^^^^^
   |
   = help: remove it, or write threads = 40 where the endpoints are `def`

1 problem in bad.toml
"#

    threads_whose_answers_a_loop_would_send:
    "\"sync\"" => "\"threads\"\nthreads = 4\nanswer_cpu = \"1ms\""; r#"
error: `answer_cpu` would be ignored: only an event loop sends its threads' answers
  --> bad.toml:13:1
   |
13 | answer_cpu = "1ms"
   | ^^^^^^^^^^
   |
   = help: remove it, or write kind = "async"

1 problem in bad.toml
"#

    a_closing_that_nothing_is_told_of_accepting:
    "\"sync\"" => "\"threads\"\nthreads = 4\nfinish_cpu = \"1ms\""; r#"
error: `finish_cpu` would be ignored: without `dispatch_cpu` the main thread takes no time
  --> bad.toml:13:1
   |
13 | finish_cpu = "1ms"
   | ^^^^^^^^^^
   |
   = help: write dispatch_cpu as well

1 problem in bad.toml
"#

    a_concurrency_limit_of_a_sync_server:
    "workers = 2" => "workers = 2\nlimit_concurrency = 100"; r#"
error: `limit_concurrency` would be ignored: only kind = "async" has it
  --> bad.toml:13:1
   |
13 | limit_concurrency = 100
   | ^^^^^^^^^^^^^^^^^
   |
   = help: remove it, or write kind = "async"

1 problem in bad.toml
"#

    accept_of_a_sync_server:
    "workers = 2" => "workers = 2\naccept = \"per-process\""; r#"
error: `accept` would be ignored: sync workers share one queue
  --> bad.toml:13:1
   |
13 | accept = "per-process"
   | ^^^^^^
   |
   = help: remove it

1 problem in bad.toml
"#

    a_bias_where_the_kernel_draws:
    "kind = \"sync\"" => "kind = \"async\"\naccept = \"per-process\"\naccept_bias = 0.9"; r#"
error: `accept_bias` would be ignored: with accept = "per-process" the kernel draws the process
  --> bad.toml:13:1
   |
13 | accept_bias = 0.9
   | ^^^^^^^^^^^
   |
   = help: remove it, or write accept = "shared"

1 problem in bad.toml
"#

    a_threads_server_without_threads:
    "\"sync\"" => "\"threads\""; r#"
error: [[server]] "web" is of kind "threads" and has no `threads`
 --> bad.toml:9:1
  |
9 | [[server]]
  | ^^^^^^^^^^
  |
  = help: say how many per process: threads = 4

1 problem in bad.toml
"#

    fewer_connections_than_threads:
    "\"sync\"" => "\"threads\"\nthreads = 4\nworker_connections = 2"; r#"
error: 4 threads, and only 2 `worker_connections` to fill them
 --> bad.toml:9:1
  |
9 | [[server]]
  | ^^^^^^^^^^
  |
  = help: write worker_connections = 4 or more

1 problem in bad.toml
"#

    a_concurrency_limit_that_serves_nobody:
    "\"sync\"" => "\"async\"\nlimit_concurrency = 1"; r#"
error: a limit of 1 serves nobody
  --> bad.toml:12:21
   |
12 | limit_concurrency = 1
   |                     ^
   |
   = help: the request that just came counts, so N serves N - 1 at a time: write 2 or more

1 problem in bad.toml
"#

    persistent_connections_of_an_async_server:
    "\"sync\"" => "\"async\"\nconnections = \"persistent\""; r#"
error: an async server (server "web") has no threads to keep a persistent connection each
  --> bad.toml:12:15
   |
12 | connections = "persistent"
   |               ^^^^^^^^^^^^
   |
   = help: write connections = { pool = 10 } or "per-request"

1 problem in bad.toml
"#

    persistent_connections_for_all_and_an_async_server:
    "\"sync\"" => "\"async\"",
    "[[tier]]" => "[database]\nconnections = \"persistent\"\n\n[[tier]]"; r#"
error: an async server (server "web") has no threads to keep a persistent connection each
  --> bad.toml:19:15
   |
19 | connections = "persistent"
   |               ^^^^^^^^^^^^
   |
   = help: let that server say its own: connections = { pool = 10 } or "per-request"

1 problem in bad.toml
"#

    an_overflow_without_a_pool:
    "workers = 2" => "workers = 2\nconnections = { overflow = 5 }"; r#"
error: `connections` has no `pool`
  --> bad.toml:13:15
   |
13 | connections = { overflow = 5 }
   |               ^^^^^^^^^^^^^^^^
   |
   = help: write "persistent", "per-request", or a pool per process: { pool = 10, overflow
           = 5, timeout = "30s", hold = "request" }

1 problem in bad.toml
"#

    an_unknown_way_to_connect:
    "workers = 2" => "workers = 2\nconnections = \"persistant\""; r#"
error: `persistant` is not a way to connect
  --> bad.toml:13:15
   |
13 | connections = "persistant"
   |               ^^^^^^^^^^^^
   |
   = help: write "persistent", "per-request", or a pool per process: { pool = 10, overflow
           = 5, timeout = "30s", hold = "request" }

1 problem in bad.toml
"#

    pgbouncer_is_not_simulated_yet:
    "workers = 2" => "workers = 2\nconnections = { pgbouncer = 20 }"; r#"
error: pgbouncer is not simulated yet
  --> bad.toml:13:17
   |
13 | connections = { pgbouncer = 20 }
   |                 ^^^^^^^^^
   |
   = help: give each process a pool of its own instead: { pool = 10 }

1 problem in bad.toml
"#

    every_connection_reserved:
    "[[tier]]" => "[database]\nmax_connections = 3\n\n[[tier]]"; r#"
error: `3` connections leave none for the application
  --> bad.toml:19:19
   |
19 | max_connections = 3
   |                   ^
   |
   = help: PostgreSQL keeps 3 of them for the administrator: write 4 or more

1 problem in bad.toml
"#

    a_database_host_without_cores:
    "[[tier]]" => "[database]\nhost = { memory = \"4GB\" }\n\n[[tier]]"; r#"
error: the database's `host` has no `cores`
  --> bad.toml:19:8
   |
19 | host = { memory = "4GB" }
   |        ^^^^^^^^^^^^^^^^^^
   |
   = help: write host = { cores = 2, memory = "4GB", round_trip = "0.5ms" }

1 problem in bad.toml
"#

    nginx_numbers_without_nginx:
    "[[tier]]" => "[front]\nnginx = false\nread_timeout = \"60s\"\n\n[[tier]]"; r#"
error: `read_timeout` would be ignored: `nginx = false` leaves Nginx out
  --> bad.toml:20:1
   |
20 | read_timeout = "60s"
   | ^^^^^^^^^^^^
   |
   = help: remove it, or remove `nginx = false`

1 problem in bad.toml
"#

    nginx_in_a_stack_that_has_no_numbers_for_it:
    "[[tier]]" => "[front]\nnginx = true\n\n[[tier]]"; r#"
error: `nginx = true` would be ignored: the stack bare has no numbers for it
  --> bad.toml:19:1
   |
19 | nginx = true
   | ^^^^^
   |
   = help: write its nginx_cpu, connect_timeout and read_timeout

1 problem in bad.toml
"#

    a_third_way_to_listen:
    "[[tier]]" => "[front]\nlisten = \"udp\"\n\n[[tier]]"; r#"
error: `udp` is not a way to listen
  --> bad.toml:19:10
   |
19 | listen = "udp"
   |          ^^^^^
   |
   = help: write "tcp" or "unix"

1 problem in bad.toml
"#

    a_patience_of_nothing:
    "[[tier]]" => "[client]\npatience = \"0s\"\n\n[[tier]]"; r#"
error: a time above 0 is needed here
  --> bad.toml:19:12
   |
19 | patience = "0s"
   |            ^^^^
   |
   = help: write a number and a unit, as in "0.3ms", "8ms", "30s" or "1h30m"

1 problem in bad.toml
"#

    an_objective_in_a_bare_number:
    "[[tier]]" => "[objective]\np95 = 500\nerrors = 0.1\n\n[[tier]]"; r#"
error: `500` has no unit: expected a time
  --> bad.toml:19:7
   |
19 | p95 = 500
   |       ^^^
   |
   = help: write a number and a unit, as in "0.3ms", "8ms", "30s" or "1h30m"

error: `0.1` has no unit: expected a percentage
  --> bad.toml:20:10
   |
20 | errors = 0.1
   |          ^^^
   |
   = help: write a percentage, as in "5%" or "0.1%"

2 problems in bad.toml
"#

    more_than_all_requests_may_fail:
    "[[tier]]" => "[objective]\nerrors = \"101%\"\n\n[[tier]]"; r#"
error: `101%` is not between 0% and 100%
  --> bad.toml:19:10
   |
19 | errors = "101%"
   |          ^^^^^^
   |
   = help: write a percentage, as in "5%" or "0.1%"

1 problem in bad.toml
"#

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
error: cannot read no/such/folder/nowhere.csv: entity not found
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
error: `peak` would be ignored: no tier's `visitors` need it
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

mistakes! {
    set:

    a_set_of_a_plan_that_is_none: "plan.smal.cores=4"; r#"
error: no plan is named `smal`
 --> --set:1:6
  |
1 | plan.smal.cores=4
  |      ^^^^
  |
  = help: did you mean `small`?

1 problem in bad.toml
"#

    a_set_of_a_key_that_is_none: "server.*.wrokers=4"; r#"
error: [[server]] "web" has no key `wrokers`
 --> --set:1:10
  |
1 | server.*.wrokers=4
  |          ^^^^^^^
  |
  = help: did you mean `workers`?

1 problem in bad.toml
"#

    a_set_with_a_bad_value: "server.web.workers=0"; r#"
error: `0` is not between 1 and 100000
 --> --set:1:20
  |
1 | server.web.workers=0
  |                    ^
  |
  = help: write a whole number from 1 to 100000, without quotes

1 problem in bad.toml
"#

    a_set_without_a_value: "server.web.workers"; r#"
error: not of the form KEY=VALUE
 --> --set:1:1
  |
1 | server.web.workers
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: write KEY=VALUE, as in server.gunicorn.workers=5, plan.2GB.cores=2 or
          database.max_connections=20

1 problem in bad.toml
"#

    a_set_without_a_key: "server.web=3"; r#"
error: `server` needs a name and a key after it
 --> --set:1:1
  |
1 | server.web=3
  | ^^^^^^
  |
  = help: write KEY=VALUE, as in server.gunicorn.workers=5, plan.2GB.cores=2 or
          database.max_connections=20

1 problem in bad.toml
"#

    a_set_inside_of_something_that_is_no_table: "title.first=3"; r#"
error: `title` is not a table
 --> --set:1:1
  |
1 | title.first=3
  | ^^^^^
  |
  = help: set it as a whole

1 problem in bad.toml
"#

    a_set_to_a_broken_table: "server.web.connections={ pool = }"; r#"
error: not a value
 --> --set:1:24
  |
1 | server.web.connections={ pool = }
  |                        ^^^^^^^^^^
  |
  = help: write it as in the file; around quotes, the shell needs quotes of its own

1 problem in bad.toml
"#
}

#[test]
fn no_plan_server_or_endpoint() {
    let expected = r#"
error: a scenario has no `[[plan]]`
--> bad.toml
 = help: add a section [[plan]] with a name and cores

error: a scenario has no `[[server]]`
--> bad.toml
 = help: add a section [[server]] with a name, a kind and workers

error: a scenario has no `[[endpoint]]`
--> bad.toml
 = help: add a section [[endpoint]] with a name and steps

3 problems in bad.toml
"#;
    assert_eq!(message("stack = \"bare\"\n", &[]), expected[1..]);
}

#[test]
fn every_problem_comes_at_once_in_the_order_of_its_place() {
    let text = r#"titel = "x"
stack = "djnago"
[[plan]]
name = "a"
cores = 0
[[plan]]
name = "a"
memory = 5
oops = = 3
[[server]]
name = "g"
kind = "sync"
threads = 4
workers = "cores-1"
[[endpoint]]
name = "e"
steps = [{ query = { wait = "3", foo = 1 } }]
[database]
max_conections = 4
"#;
    let expected = r#"
error: a scenario has no key `titel`
 --> bad.toml:1:1
  |
1 | titel = "x"
  | ^^^^^
  |
  = help: did you mean `title`?

error: `djnago` is not a stack
 --> bad.toml:2:9
  |
2 | stack = "djnago"
  |         ^^^^^^^^
  |
  = help: did you mean `django`? (a stack is "bare", "django", "flask" or "fastapi")

error: `0` is not between 1 and 4096
 --> bad.toml:5:9
  |
5 | cores = 0
  |         ^
  |
  = help: write a whole number from 1 to 4096, without quotes

error: two of [[plan]] are named "a"
 --> bad.toml:7:8
  |
7 | name = "a"
  |        ^^^
  |
  = help: give each a name of its own

error: `5` has no unit: expected an amount of memory
 --> bad.toml:8:10
  |
8 | memory = 5
  |          ^
  |
  = help: write a number and a unit, as in "150MB" or "2GB"

error: not TOML: extra `=`, expected nothing
 --> bad.toml:9:8
  |
9 | oops = = 3
  |        ^
  |
  = help: each line is `key = value`, `[table]` or `[[list of tables]]`; texts stand in
          quotes

error: `threads` would be ignored: only kind = "threads" has it
  --> bad.toml:13:1
   |
13 | threads = 4
   | ^^^^^^^
   |
   = help: remove it, or write kind = "threads"

error: `3` is not a time
  --> bad.toml:17:29
   |
17 | steps = [{ query = { wait = "3", foo = 1 } }]
   |                             ^^^
   |
   = help: write "5ms", "exp(5ms)", "lognormal(5ms, cv=0.8)", "gamma(5ms, cv=0.5)",
           "uniform(2ms, 8ms)", { mix = [[0.95, "exp(4ms)"], [0.05, "150ms"]] } or {
           empirical = "file.csv" }

error: a `query` has no key `foo`
  --> bad.toml:17:34
   |
17 | steps = [{ query = { wait = "3", foo = 1 } }]
   |                                  ^^^
   |
   = help: it may have: wait, cpu, driver

error: [database] has no key `max_conections`
  --> bad.toml:19:1
   |
19 | max_conections = 4
   | ^^^^^^^^^^^^^^
   |
   = help: did you mean `max_connections`?

error: no plan is named `b`
 --> --set:1:6
  |
1 | plan.b.cores=3
  |      ^
  |
  = help: there is: a

11 problems in bad.toml
"#;
    assert_eq!(message(text, &["plan.b.cores=3"]), expected[1..]);
}

/// The message for what `write` puts at a path, with the path's folder left out.
fn message_of_file(write: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("bad.toml");
    write(&path);
    let message = load(&path, &[]).expect_err("the file is bad").render(false);
    message.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_file_that_is_not_there() {
    let expected = r#"
error: there is no such file
--> bad.toml
 = help: check the name and the folder

1 problem in bad.toml
"#;
    assert_eq!(message_of_file(|_| ()), expected[1..]);
}

#[test]
fn a_folder_in_the_place_of_a_file() {
    let expected = r#"
error: this is a folder, not a scenario
--> bad.toml
 = help: name a .toml file in it

1 problem in bad.toml
"#;
    assert_eq!(message_of_file(|path| std::fs::create_dir(path).unwrap()), expected[1..]);
}

#[test]
fn a_file_that_is_not_text() {
    let expected = r#"
error: the file is not text in UTF-8
--> bad.toml
 = help: save it as UTF-8, or name another file

1 problem in bad.toml
"#;
    let write = |path: &Path| std::fs::write(path, [0x66, 0xff, 0xfe]).unwrap();
    assert_eq!(message_of_file(write), expected[1..]);
}

#[test]
fn an_empty_file() {
    let expected = r#"
error: the file is empty
--> bad.toml
 = help: start from one of the scenarios that come with this program

1 problem in bad.toml
"#;
    assert_eq!(message_of_file(|path| std::fs::write(path, "\n \n").unwrap()), expected[1..]);
}

#[test]
fn a_file_of_times_with_a_line_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("times.csv"), "response\n12ms\n7\n").unwrap();
    let text = spoilt(&[("\"5ms\"", "{ empirical = \"times.csv\" }")]);
    let problems = read("bad.toml", &text, &[], Some(folder.path())).unwrap_err();
    let title = problems.list()[0].title();
    assert!(title.ends_with("times.csv: line 3: `7` is not a time"), "{title}");
    assert_eq!(problems.position(&problems.list()[0]), Some((16, 36)));
}

#[test]
fn colour_is_the_callers_choice() {
    let text = spoilt(&[("cores = 2", "cores = 0")]);
    let problems = read("bad.toml", &text, &[], None).unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}

/// The message for the good scenario, changed as in [`spoilt`] and with these lines under
/// `[traffic]`, beside a trace `day.csv`; the folder is left out.
fn message_of_trace(lines: &str, changes: &[(&str, &str)], trace: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let header = "arrival_s,segments_ms,latency_s,status\n";
    std::fs::write(folder.path().join("day.csv"), format!("{header}{trace}")).unwrap();
    let text = format!("{}\n[traffic]\n{lines}\n", spoilt(changes));
    let message = match read("bad.toml", &text, &[], Some(folder.path())) {
        Ok(_) => "no problem at all".to_owned(),
        Err(problems) => problems.render(false),
    };
    message.replace(&format!("{}/", folder.path().display()), "")
}

const DAY: &str = "0.5,5,0.01,200\n1.5,2;30;4,0.05,200\n";
/// What makes a trace fit.
const STEPS: (&str, &str) =
    ("{ compute = \"5ms\" }", "{ compute = \"5ms\" }, { query = \"1ms\" }, { compute = \"5ms\" }");

#[test]
fn a_good_trace_is_good() {
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[STEPS], DAY), "no problem at all");
}

#[test]
fn every_wrong_line_of_a_trace_is_told_as_replay_tells_it() {
    let expected = r#"
error: 4 lines of day.csv are wrong
  --> bad.toml:23:9
   |
23 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = note: day.csv:2: arrival_s is no number: `soon`
   = note: day.csv:4: latency_s is -1: expected 0 to 100000000
   = note: day.csv:5 to 6: expected 4 values (arrival_s,segments_ms,latency_s,status), found 1
   = help: name a recording beside the scenario, plain or gzipped:
           arrival_s,segments_ms,latency_s,status and a line for each request, as for
           `tonnage replay`

1 problem in bad.toml
"#;
    let trace = "soon,5,0.01,200\n0.5,5,0.01,200\n0.75,5,-1,200\nx\ny\n";
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[STEPS], trace), expected[1..]);
}

#[test]
fn a_trace_that_is_not_there() {
    let expected = r#"
error: cannot read night.csv: entity not found
  --> bad.toml:23:9
   |
23 | trace = "night.csv"
   |         ^^^^^^^^^^^
   |
   = help: name a recording beside the scenario, plain or gzipped:
           arrival_s,segments_ms,latency_s,status and a line for each request, as for
           `tonnage replay`

1 problem in bad.toml
"#;
    assert_eq!(message_of_trace("trace = \"night.csv\"", &[], DAY), expected[1..]);
}

#[test]
fn a_scenario_from_standard_input_names_no_trace() {
    let text = GOOD.replace("[[tier]]", "[traffic]\ntrace = \"-\"\n\n[[tier]]");
    let problems = read("standard input", &text, &[], None).unwrap_err();
    assert_eq!(problems.list()[0].title(), "a scenario without a folder can name no file");
}

#[test]
fn a_file_called_dash_is_not_standard_input() {
    assert!(message_of_trace("trace = \"-\"", &[], DAY).starts_with("error: cannot read -: "));
}

#[test]
fn every_problem_with_a_trace_comes_at_once() {
    let expected = r#"
error: with a trace, [[endpoint]] "page" does compute, query, compute, ..., compute
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: write steps = [{ compute = "5ms" }, { query = "5ms" }, { compute = "5ms" }]: how
           long each takes comes from the trace, and what a query costs beside its wait
           from here

error: [[endpoint]] "report" would be ignored: the requests of a trace are all for one endpoint
  --> bad.toml:18:1
   |
18 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: remove it, or remove `trace`

error: `speed` would be ignored: the tiers say how much comes
  --> bad.toml:28:9
   |
28 | speed = 2
   |         ^
   |
   = help: remove it, or the tiers

error: 30% of 2 requests is not even one
  --> bad.toml:29:8
   |
29 | keep = "30%"
   |        ^^^^^
   |
   = help: keep more of them

4 problems in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 2\nkeep = \"30%\"";
    let steps = "steps = [{ compute = \"5ms\" }]";
    let changes = [
        (steps, "steps = [{ compute = \"5ms\" }, { call = \"5ms\" }]"),
        (
            "[[tier]]",
            "[[endpoint]]\nname = \"report\"\n\
            steps = [{ compute = \"9ms\" }]\n\n[[tier]]",
        ),
    ];
    assert_eq!(message_of_trace(lines, &changes, DAY), expected[1..]);
}

#[test]
fn a_trace_with_queries_for_an_endpoint_without() {
    let expected = r#"
error: [[endpoint]] "page" has no query, and requests of the trace have
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: write steps = [{ compute = "5ms" }, { query = "5ms" }, { compute = "5ms" }]: how
           long each takes comes from the trace, and what a query costs beside its wait
           from here

1 problem in bad.toml
"#;
    assert_eq!(message_of_trace("trace = \"day.csv\"", &[], DAY), expected[1..]);
}

#[test]
fn a_trace_for_queries_that_cost_differently() {
    let expected = r#"
error: the queries of [[endpoint]] "page" do not all cost the same
  --> bad.toml:14:1
   |
14 | [[endpoint]]
   | ^^^^^^^^^^^^
   |
   = help: let them: a trace does not say which of them a recorded query is

1 problem in bad.toml
"#;
    let both = "{ compute = \"5ms\" }, { query = \"1ms\" }, { compute = \"5ms\" }, \
        { query = { wait = \"1ms\", cpu = \"1ms\" } }, { compute = \"5ms\" }";
    let changes = [("{ compute = \"5ms\" }", both)];
    assert_eq!(message_of_trace("trace = \"day.csv\"", &changes, DAY), expected[1..]);
}

#[test]
fn a_trace_of_one_instant_has_no_rate() {
    let expected = r#"
error: day.csv says nothing of a rate
  --> bad.toml:23:9
   |
23 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = help: record two requests or more that do not arrive at once

1 problem in bad.toml
"#;
    for trace in ["0.5,5,0.01,200\n", "0.5,5,0.01,200\n0.5,5,0.01,200\n"] {
        assert_eq!(message_of_trace("trace = \"day.csv\"", &[], trace), expected[1..]);
    }
}

#[test]
fn a_trace_in_another_unit_comes_absurdly_fast() {
    let expected = r#"
error: the trace comes to 5.0e10 requests a second
  --> bad.toml:20:9
   |
20 | trace = "day.csv"
   |         ^^^^^^^^^
   |
   = help: check its arrival_s, which are seconds: a rate lies from 1e-6/s to 1e9/s

1 problem in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 200";
    let no_tier = ("[[tier]]\nname = \"quiet\"\nrate = \"10/s\"\n", "");
    let trace = "0.5,5,0.01,200\n0.5000000037,5,0.01,200\n";
    assert_eq!(message_of_trace(lines, &[no_tier], trace), expected[1..]);
}

#[test]
fn a_standstill_and_a_share_of_nothing() {
    let expected = r#"
error: `0` is out of range here
  --> bad.toml:24:9
   |
24 | speed = 0
   |         ^
   |
   = help: write a number from 0.001 up to 1000, without quotes

error: a share above 0% is needed here
  --> bad.toml:25:8
   |
25 | keep = "0%"
   |        ^^^^
   |
   = help: write "50%"

2 problems in bad.toml
"#;
    let lines = "trace = \"day.csv\"\nspeed = 0\nkeep = \"0%\"";
    assert_eq!(message_of_trace(lines, &[STEPS], DAY), expected[1..]);
}
