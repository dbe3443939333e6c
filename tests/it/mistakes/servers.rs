//! Servers: kinds, workers, threads, and how they connect.

use super::{message, mistakes, spoilt};

mistakes! {
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

    a_servers_code_that_never_goes_cold:
    "workers = 2" => "workers = 2\ncold_code = 3"; r#"
error: `cold_code` would be ignored: without a plan's `cold_after` nothing goes cold
  --> bad.toml:13:1
   |
13 | cold_code = 3
   | ^^^^^^^^^
   |
   = help: add over what time: cold_after = "8ms"

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

    workers_without_end:
    "workers = 2" => "workers = \"1000000000*1000000000*cores\""; r#"
error: `1000000000*1000000000*cores` gives 2e18 workers for plan "small"
  --> bad.toml:12:11
   |
12 | workers = "1000000000*1000000000*cores"
   |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: stay below 100000

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
error: cannot work out `2*cpus+1`: `cpus` is not known here
  --> bad.toml:12:11
   |
12 | workers = "2*cpus+1"
   |           ^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

1 problem in bad.toml
"#

    workers_by_a_bad_formula_on_a_bad_plan:
    "cores = 2" => "cores = 0", "workers = 2" => "workers = \"2*core+1\""; r#"
error: `0` is not between 1 and 4096
 --> bad.toml:6:9
  |
6 | cores = 0
  |         ^
  |
  = help: write a whole number from 1 to 4096, without quotes

error: cannot work out `2*core+1`: `core` is not known here
  --> bad.toml:12:11
   |
12 | workers = "2*core+1"
   |           ^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

2 problems in bad.toml
"#

    workers_by_a_bad_formula_beside_bad_syntax:
    "cores = 2" => "cores = = 2", "workers = 2" => "workers = \"2*core+1\""; r#"
error: not TOML: extra `=`, expected nothing
 --> bad.toml:6:9
  |
6 | cores = = 2
  |         ^
  |
  = help: each line is `key = value`, `[table]` or `[[list of tables]]`; texts are written
          in quotes

error: cannot work out `2*core+1`: `core` is not known here
  --> bad.toml:12:11
   |
12 | workers = "2*core+1"
   |           ^^^^^^^^^^
   |
   = help: write a number, or arithmetic with cores and memory_gb, as in "2*cores+1" or
           "min(2*cores+1, memory_gb*4)"

2 problems in bad.toml
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
error: cannot work out `memory_gb*2` for plan "small": the plan has no `memory`
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
error: `threads` would be ignored: only kind = "threads" and kind = "async" have it
  --> bad.toml:13:1
   |
13 | threads = 4
   | ^^^^^^^
   |
   = help: remove it, or write kind = "threads"

1 problem in bad.toml
"#

    an_answer_of_a_sync_server_that_a_loop_would_send:
    "\"sync\"" => "\"sync\"\nanswer_cpu = \"1ms\""; r#"
error: `answer_cpu` would be ignored: only an event loop sends its threads' answers
  --> bad.toml:12:1
   |
12 | answer_cpu = "1ms"
   | ^^^^^^^^^^
   |
   = help: remove it, or write kind = "async"

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

    a_timeout_of_an_async_server:
    "\"sync\"" => "\"async\"\ntimeout = \"30s\""; r#"
error: `timeout` would be ignored: gunicorn kills only sync workers over a slow request
  --> bad.toml:12:1
   |
12 | timeout = "30s"
   | ^^^^^^^
   |
   = help: remove it, or write kind = "sync"

1 problem in bad.toml
"#

    a_concurrency_limit_that_serves_nobody:
    "\"sync\"" => "\"async\"\nlimit_concurrency = 1"; r#"
error: a limit of 1 serves no request
  --> bad.toml:12:21
   |
12 | limit_concurrency = 1
   |                     ^
   |
   = help: the request that has just come counts too, so N serves N - 1 at a time: write 2
           or more

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
   = help: give that server its own: connections = { pool = 10 } or "per-request"

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

    an_end_of_connections_that_a_pool_has:
    "workers = 2" => "workers = 2\nconnections = { pool = 2 }\nconnection_ends = \"request\""; r#"
error: `connection_ends` would be ignored: a pool has its own `hold`
  --> bad.toml:14:1
   |
14 | connection_ends = "request"
   | ^^^^^^^^^^^^^^^
   |
   = help: remove it, or write connections = "per-request"

1 problem in bad.toml
"#

    a_pool_to_open_where_there_is_none:
    "workers = 2" => "workers = 2\nopens_pool = true"; r#"
error: `opens_pool` would be ignored: there is no pool to open
  --> bad.toml:13:1
   |
13 | opens_pool = true
   | ^^^^^^^^^^
   |
   = help: remove it, or write connections = { pool = 10 }

1 problem in bad.toml
"#

    a_herd_of_loops:
    "kind = \"sync\"" => "kind = \"async\"\nherd_cpu = \"1ms\""; r#"
error: `herd_cpu` would be ignored: only sync workers are woken for a connection that another takes
  --> bad.toml:12:1
   |
12 | herd_cpu = "1ms"
   | ^^^^^^^^
   |
   = help: remove it, or write kind = "sync"

1 problem in bad.toml
"#

    a_supervisor_of_what_is_stopped_for_good:
    "workers = 2" => "workers = 2\non_oom = \"stop\"\nsupervisor = \"gunicorn\""; r#"
error: `supervisor` would be ignored: with on_oom = "stop" nothing starts again
  --> bad.toml:14:1
   |
14 | supervisor = "gunicorn"
   | ^^^^^^^^^^
   |
   = help: remove it, or write on_oom = "respawn"

1 problem in bad.toml
"#

    a_first_request_that_takes_more_than_a_worker_has:
    "workers = 2" => "workers = 2\nworker_memory = \"50MB\"\nfirst_request_memory = \"60MB\""; r#"
error: `first_request_memory` is 60MB, and a worker holds 50MB
  --> bad.toml:14:1
   |
14 | first_request_memory = "60MB"
   | ^^^^^^^^^^^^^^^^^^^^
   |
   = help: write 50MB or less, or a larger worker_memory

1 problem in bad.toml
"#

    a_boot_that_takes_what_the_first_request_does:
    "workers = 2" => "workers = 2\nworker_memory = \"50MB\"\n\
        first_request_memory = \"10MB\"\nboot_memory = \"45MB\""; r#"
error: `boot_memory` is 45MB, and a worker holds 40MB before its first request
  --> bad.toml:15:1
   |
15 | boot_memory = "45MB"
   | ^^^^^^^^^^^
   |
   = help: write 40MB or less, or a larger worker_memory

1 problem in bad.toml
"#
}

#[test]
fn what_is_set_for_once_need_not_suit_what_the_file_says_of_its_own() {
    let ends = "workers = 2\nconnections = \"per-request\"\nconnection_ends = \"request\"";
    let opens = "workers = 2\nconnections = { pool = 2 }\nopens_pool = true";
    let herd = "workers = 2\nherd_cpu = \"1ms\"";
    let sets = [
        (ends, "connections={ pool = 2 }"),
        (opens, "connections=per-request"),
        (herd, "kind=async"),
    ];
    for (keys, set) in sets {
        let text = spoilt(&[("workers = 2", keys)]);
        assert_eq!(message(&text, &[]), "no problem at all");
        assert_eq!(message(&text, &[&format!("server.web.{set}")]), "no problem at all");
    }
}

#[test]
fn another_way_to_accept_may_be_set_for_once_where_the_file_says_a_bias() {
    let bias = [("\"sync\"", "\"async\""), ("workers = 2", "workers = 2\naccept_bias = 0.9")];
    let set = "server.web.accept=per-process";
    assert_eq!(message(&spoilt(&bias), &[set]), "no problem at all");
}

#[test]
fn what_a_worker_holds_at_first_may_be_all_that_it_holds() {
    let memory = "workers = 2\nworker_memory = \"50MB\"\nfirst_request_memory = \"10MB\"\n\
        boot_memory = \"40MB\"";
    assert_eq!(message(&spoilt(&[("workers = 2", memory)]), &[]), "no problem at all");
}
