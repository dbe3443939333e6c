//! The house rules that no compiler knows: which floor may import which, where each dependency
//! lives, how long a line, a function and a file may be, and that every citation can be looked up.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The floors, and the floors each may import, as the table in `src/lib.rs` has them.
static FLOORS: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| {
    let rows = include_str!("../../src/lib.rs").lines();
    rows.filter_map(|line| floor(line.strip_prefix("//! | [`")?)).collect()
});

/// A row of the table, from the name of its floor on: name, description, imports.
fn floor(row: &'static str) -> Option<(&'static str, Vec<&'static str>)> {
    let (name, rest) = row.split_once("`] | ")?;
    let (_, imports) = rest.strip_suffix(" |")?.rsplit_once(" | ")?;
    Some((name, imports.split(", ").filter(|import| *import != "nothing").collect()))
}

#[test]
fn the_floors_stand_in_order_and_each_imports_only_those_above_it() {
    assert_eq!(FLOORS.len(), 13, "the table in src/lib.rs is not read as it should be");
    for (at, (floor, imports)) in FLOORS.iter().enumerate() {
        let is_above = |import: &&str| FLOORS[..at].iter().any(|(name, _)| name == import);
        assert!(imports.iter().all(is_above), "{floor} imports {imports:?}");
    }
}

/// Where each dependency lives, so that replacing one is a change of that place. What draws random
/// numbers is used wherever the model leaves something to chance, of streams that the kernel makes.
const HOMES: [(&str, &[&str]); 24] = [
    ("rand", &["src/kernel/streams.rs", "src/model/"]),
    ("serde", &["src/report/page.rs", "src/trace/case.rs"]),
    ("ab_glyph", &["src/report/chart/lettering.rs"]),
    ("png", &["src/report/chart/mod.rs"]),
    ("minijinja", &["src/report/page.rs", "src/report/accuracy.rs"]),
    ("strsim", &["src/scenario/section.rs"]),
    ("jiff", &["src/scenario/quantity.rs"]),
    ("comfy_table", &["src/report/"]),
    ("anstream", &["src/cli/"]),
    ("tempfile", &["src/cli/folder.rs"]),
    ("crc32fast", &["src/cli/folder.rs"]),
    ("ctrlc", &["src/cli/interrupt.rs"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("toml", &["src/scenario/"]),
    ("annotate_snippets", &["src/scenario/", "src/cli/"]),
    ("csv", &["src/report/csv.rs", "src/trace/case.rs"]),
    ("flate2", &["src/trace/reader.rs"]),
    ("plotters", &["src/report/chart"]),
    ("rayon", &["src/experiment/trial.rs"]),
    ("rand_distr", &["src/model/traffic/"]),
    ("statrs", &["src/stats/estimate.rs"]),
    ("indicatif", &["src/cli/"]),
    ("terminal_size", &["src/cli/"]),
];

const LONGEST_LINE: usize = 100;
const LONGEST_FUNCTION: usize = 70;
const SHORT_FUNCTION: usize = 15;
const LONGEST_FILE: usize = 500;

/// A source, by lines.
#[derive(Clone)]
struct Source {
    path: String,
    lines: Vec<String>,
}

fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs")
}

/// The files of a folder, and of those in it, whose names end so.
fn files(folder: &str, ending: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                sources.push(Source { path, lines: text.lines().map(str::to_owned).collect() });
            }
        }
    }
    assert!(!sources.is_empty(), "{folder} holds {ending}");
    sources
}

impl Source {
    /// The floor it is on: the first part of its path below `src`.
    fn floor(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        Some(below.split(['/', '.']).next().unwrap_or(below))
    }

    /// Its lines, counted from 1, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
    }

    /// The lines before its own tests, which may use more than the code does.
    fn code_proper(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
    }

    /// Whether it imports a module of ours that is called as a dependency is (`report::csv`).
    fn names_module(&self, name: &str) -> bool {
        let ours = |line: &str| line.contains("use crate::") || line.contains("use super::");
        let is_word = |line: &str| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name)
        };
        self.lines.iter().any(|line| ours(line) && is_word(line))
    }

    /// Where each function begins, and how many lines it has: up to the first line that closes
    /// with the indentation it opened with, as rustfmt lays it out.
    fn functions(&self) -> Vec<(usize, usize)> {
        let is_start = |line: &str| {
            let words = line.trim_start().split(['(', '<']).next().unwrap_or("");
            let mut words = words.split_whitespace();
            words.any(|word| word == "fn") && !line.trim_end().ends_with(';')
        };
        let starts = self.code().filter(|(_, line)| is_start(line));
        let length = |(start, line): (usize, &str)| {
            let indent = line.len() - line.trim_start().len();
            let closes = format!("{}}}", " ".repeat(indent));
            let rest = self.lines[start - 1..].iter();
            let end = rest.clone().position(|line| *line == closes);
            (start, if line.ends_with('}') { 1 } else { end.map_or(1, |lines| lines + 1) })
        };
        starts.map(length).collect()
    }
}

/// The floors that a line names, by `crate::floor`.
fn floors_named(line: &str) -> Vec<&'static str> {
    let names = |floor: &&str| {
        let path = format!("crate::{floor}");
        line.match_indices(&path).any(|(at, _)| {
            let next = line[at + path.len()..].chars().next();
            !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
        })
    };
    FLOORS.iter().map(|(floor, _)| *floor).filter(names).collect()
}

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let floor = source.floor().unwrap();
        let Some((_, may)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
            assert!(["lib", "main"].contains(&floor), "{} is on no floor", source.path);
            continue;
        };
        for (number, line) in source.code_proper() {
            let named = floors_named(line).into_iter();
            for other in named.filter(|other| *other != floor && !may.contains(other)) {
                wrong.push(format!("{}:{number}: {floor} may not use {other}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_use_of_the_crate_names_its_floor_in_full() {
    // `use crate::{a, b}` would slip past the test above.
    let grouped = |source: &Source| {
        let hit = source.code().find(|(_, line)| line.contains("crate::{"));
        hit.map(|(number, _)| format!("{}:{number}", source.path))
    };
    let wrong: Vec<String> = sources("src").iter().filter_map(grouped).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_dependency_has_its_home() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (number, line) in source.code_proper() {
            for (name, homes) in HOMES {
                let uses = line.contains(&format!("use {name}::"))
                    || line.contains(&format!("use {name};"))
                    || line
                        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                        .any(|word| word.starts_with(&format!("{name}::")));
                let ours = source.names_module(name);
                if uses && !ours && !homes.iter().any(|home| source.path.starts_with(home)) {
                    wrong.push(format!("{}:{number}: {name} is at home in {homes:?}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let keys = lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    let mut keys: Vec<String> =
        keys.filter(|key| !key.starts_with('#')).map(|key| key.replace('-', "_")).collect();
    let mut homes = HOMES.map(|(name, _)| name);
    keys.sort_unstable();
    homes.sort_unstable();
    assert_eq!(keys, homes);
}

#[test]
fn only_the_command_line_prints_exits_or_reads_the_environment() {
    let forbidden = ["println!", "eprintln!", "print!(", "process::exit", "std::env::", "stdout()"];
    let mut wrong = Vec::new();
    for source in sources("src") {
        if ["cli", "main"].contains(&source.floor().unwrap()) {
            continue;
        }
        for (number, line) in source.code_proper() {
            let hits = forbidden.iter().filter(|word| line.contains(**word));
            wrong.extend(hits.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether it is a row of a table in a comment, which Markdown has in one line.
fn is_table_row(line: &str) -> bool {
    let comment = line.trim_start().trim_start_matches(['/', '!']);
    line.trim_start().starts_with("//") && comment.trim_start().starts_with('|')
}

#[test]
fn lines_fit_and_no_work_is_left_lying_about() {
    let mut wrong = Vec::new();
    // In halves, so that this file has none of them.
    let left = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    for source in sources("src").iter().chain(&sources("tests")) {
        for (at, line) in source.lines.iter().enumerate() {
            let place = format!("{}:{}", source.path, at + 1);
            if line.chars().count() > LONGEST_LINE && !is_table_row(line) {
                wrong.push(format!("{place}: more than {LONGEST_LINE} columns"));
            }
            wrong.extend(
                left.iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{place}: {word}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let all = [sources("src"), sources("tests"), sources("benches")].concat();
    let long = |source: &Source| {
        let lengths = source.functions().into_iter();
        let long = lengths.filter(|(_, length)| *length > LONGEST_FUNCTION);
        let path = source.path.clone();
        long.map(move |(line, length)| format!("{path}:{line}: {length} lines")).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = all.iter().flat_map(long).collect();
    assert!(wrong.is_empty(), "{LONGEST_FUNCTION} is the wall: {wrong:#?}");
}

#[test]
fn most_functions_are_very_short() {
    let sources = sources("src");
    let lengths = sources.iter().flat_map(Source::functions).map(|(_, length)| length);
    let mut lengths: Vec<usize> = lengths.collect();
    lengths.sort_unstable();
    let short = lengths.iter().filter(|length| **length < SHORT_FUNCTION).count();
    let (count, median) = (lengths.len(), lengths[lengths.len() / 2]);
    assert!(count > 200, "only {count} functions were found: the reader of sources is at fault");
    assert!(10 * short >= 6 * count, "{short} of {count} functions are short; median {median}");
}

#[test]
fn files_are_no_longer_than_a_sitting() {
    let long = |source: &Source| {
        let lines = source.lines.len();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", source.path))
    };
    let wrong: Vec<String> = sources("src").iter().filter_map(long).collect();
    assert!(wrong.is_empty(), "more than {LONGEST_FILE} lines: {wrong:#?}");
}

/// The sections that `text` cites, as "section 6.2"; what a book calls 5A.9 is none.
fn cited(text: &str) -> Vec<String> {
    let after = text.split("ection ").skip(1);
    let numbers = after.filter_map(|rest| {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, next) = rest.split_at(end);
        let goes_on = next.starts_with(|c: char| c.is_alphanumeric());
        let number = number.trim_end_matches('.');
        (!number.is_empty() && !goes_on).then(|| number.to_owned())
    });
    numbers.collect()
}

#[test]
fn every_section_that_is_cited_is_in_the_reference_and_none_else() {
    let all = [("src", "rs"), ("src", "toml"), ("scenarios", "toml"), ("tests", "rs")];
    let all = all.into_iter().flat_map(|(folder, ending)| files(folder, ending));
    // This file and the module of that name speak of citing as such.
    let all = all.filter(|file| !["tests/it/tidy.rs", "src/lib.rs"].contains(&&*file.path));
    let cited: BTreeSet<String> = all.flat_map(|file| cited(&file.lines.join("\n"))).collect();
    let reference = include_str!("../../src/reference.md").lines();
    let rows = reference.filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let told = rows.filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(cited, told.map(str::to_owned).collect());
}
