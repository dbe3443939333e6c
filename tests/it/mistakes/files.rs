//! Files that cannot be read as a scenario.

use std::path::Path;

use tonnage::scenario::{load, read};

use super::spoilt;

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
fn a_file_of_times_with_lines_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("times.csv"), "response\n12ms\n7\n3ms\n-2ms\n").unwrap();
    let text = spoilt(&[("\"5ms\"", "{ empirical = \"times.csv\" }")]);
    let message = read("bad.toml", &text, &[], Some(folder.path())).unwrap_err().render(false);
    let expected = r#"
error: 2 lines of times.csv are wrong
  --> bad.toml:16:36
   |
16 | steps = [{ compute = { empirical = "times.csv" } }]
   |                                    ^^^^^^^^^^^
   |
   = note: times.csv:3: `7` is not a time
   = note: times.csv:5: `-2ms` is a time below 0
   = help: name a file with one time per line, as in 12.5ms, beside the scenario

1 problem in bad.toml
"#;
    assert_eq!(message.replace(&format!("{}/", folder.path().display()), ""), expected[1..]);
}

#[test]
fn colour_is_the_callers_choice() {
    let text = spoilt(&[("cores = 2", "cores = 0")]);
    let problems = read("bad.toml", &text, &[], None).unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}
