//! The database, Nginx, clients and what they are content with.

use super::{message, mistakes, spoilt};

mistakes! {
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

    the_cores_of_clients_that_take_none:
    "[[tier]]" => "[client]\nmachine_cores = 4\n\n[[tier]]"; r#"
error: `machine_cores` would be ignored: a client that takes no `cpu` needs no cores
  --> bad.toml:19:1
   |
19 | machine_cores = 4
   | ^^^^^^^^^^^^^
   |
   = help: remove it, or write its cpu

1 problem in bad.toml
"#

    a_latency_for_servers_that_all_say_their_own:
    "workers = 2" => "workers = 2\ndatabase_latency = \"5ms\"",
    "[[tier]]" => "[database]\nlatency = \"1ms\"\n\n[[tier]]"; r#"
error: `latency` would be ignored: every server has its own `database_latency`
  --> bad.toml:20:1
   |
20 | latency = "1ms"
   | ^^^^^^^
   |
   = help: remove it, or remove `database_latency` from a server (--set
           server.*.database_latency=... changes that of all)

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

    clients_too_far_away_for_their_patience:
    "[[tier]]" => "[client]\npatience = \"50ms\"\nround_trip = \"80ms\"\n\n[[tier]]"; r#"
error: `round_trip` is not shorter than `patience`, 50ms: every request would be given up
  --> bad.toml:20:14
   |
20 | round_trip = "80ms"
   |              ^^^^^^
   |
   = help: write a shorter round trip, or a longer patience

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
}
