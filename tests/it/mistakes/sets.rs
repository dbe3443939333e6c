//! Changes by `--set`.

use super::{GOOD, message, mistakes, spoilt};

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

/// The good scenario, whose server says its own connections.
fn with_own_connections() -> String {
    let own = "workers = 2\nconnections = \"persistent\"";
    spoilt(&[("workers = 2", own)])
}

#[test]
fn a_set_that_every_server_overrules() {
    let expected = r#"
error: `connections` would be ignored: every server has its own `connections`
 --> --set:1:10
  |
1 | database.connections=per-request
  |          ^^^^^^^^^^^
  |
  = help: remove it, or remove `connections` from a server (--set server.*.connections=...
          changes that of all)

1 problem in bad.toml
"#;
    let said = message(&with_own_connections(), &["database.connections=per-request"]);
    assert_eq!(said, expected[1..]);
    let way = message(&with_own_connections(), &["server.*.connections=per-request"]);
    assert_eq!(way, "no problem at all");
}

#[test]
fn a_set_may_overrule_what_the_file_says_for_all_servers() {
    let shared = "[database]\nconnections = \"persistent\"\n\n[[tier]]";
    let text = spoilt(&[("[[tier]]", shared)]);
    assert_eq!(message(&text, &["server.web.connections=per-request"]), "no problem at all");
}

#[test]
fn a_set_of_two_keys_that_say_the_same_thing() {
    let expected = r#"
error: `visitors` would be ignored: `rate` says how much comes
 --> --set:1:12
  |
1 | tier.quiet.visitors=10k/day
  |            ^^^^^^^^
  |
  = help: remove one of them

1 problem in bad.toml
"#;
    let said = message(GOOD, &["tier.quiet.visitors=10k/day", "tier.quiet.rate=5/s"]);
    assert_eq!(said, expected[1..]);
}
