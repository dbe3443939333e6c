//! The README is true: its commands run as printed, its scenario is one, and CI runs its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The contents of the README's blocks of this language, in order.
fn blocks(language: &str) -> Vec<String> {
    let (readme, fence) = (readme(), format!("```{language}\n"));
    let opened = readme.split(fence.as_str()).skip(1);
    opened.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The commands the README tells its reader to type, in order.
fn commands() -> Vec<String> {
    let blocks = blocks("console").join("");
    blocks.lines().filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)).collect()
}

#[test]
fn ci_runs_the_command_that_the_readme_gives_for_the_tests() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let command = commands().into_iter().find(|command| command.starts_with("cargo test")).unwrap();
    assert!(ci.lines().any(|line| line.replace(" --locked", "") == command), "{command}");
}

#[test]
fn every_command_of_the_readme_runs_as_printed() {
    let desk = tempfile::tempdir().unwrap();
    for folder in ["scenarios", "tests/data/recorded/xeon/traces"] {
        copy_folder(&root().join(folder), &desk.path().join(folder));
    }
    fs::write(desk.path().join("my-site.toml"), blocks("toml").remove(0)).unwrap();
    let mut ran = 0;
    for command in commands() {
        let arguments = command
            .strip_prefix("cargo run --release -- ")
            .or_else(|| command.strip_prefix("tonnage "));
        // `cargo test` is what runs this.
        let Some(arguments) = arguments else { continue };
        let output = Command::new(env!("CARGO_BIN_EXE_tonnage"))
            .args(arguments.split(' '))
            .current_dir(desk.path())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "`{command}` failed: {complaint}");
        if ran == 0 {
            let printed = String::from_utf8(output.stdout).unwrap();
            let promised = blocks("text").remove(0);
            assert!(printed.starts_with(&promised), "the README promises another start: {printed}");
        }
        ran += 1;
    }
    assert!(ran >= 4, "only {ran} of the README's commands were tried");
    assert!(desk.path().join("output/2gb-vs-4gb/response-time.png").exists());
}

#[test]
fn every_file_the_readme_points_at_exists() {
    let readme = readme();
    let links = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    for link in links {
        assert!(root().join(link).exists(), "the README points at {link}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
