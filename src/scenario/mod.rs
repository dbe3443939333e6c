//! The edge where a scenario comes in: a file, to a [`Study`], or to every problem with it.
//!
//! | room | what it does |
//! |---|---|
//! | `document` | TOML, as a tree that knows where everything stands |
//! | `set` | changes the tree by `--set` arguments |
//! | `section` | reads a table key by key; what is left over is a problem |
//! | `quantity`, `dist`, `arithmetic` | values as people write them |
//! | `file`, `machine`, `server`, `endpoint`, `load` | the sections, exactly as written |
//! | `recorded` | a trace as the traffic, and the rules that it brings |
//! | `check` | the rules between sections |
//! | `preset` | what the stacks cost, with sources |
//! | `build`, `site_parts` | file and presets to the study |
//! | `numbers` | which numbers are the presets', and which of them are assumed |
//! | `advice` | a change that is worth trying, as `--set` arguments |
//! | `problem` | what is wrong, and how it is shown |

pub mod advice;
mod arithmetic;
mod build;
mod check;
mod dist;
mod document;
mod endpoint;
mod file;
mod load;
mod machine;
mod numbers;
mod preset;
mod problem;
mod quantity;
mod recorded;
mod section;
mod server;
mod set;
mod site_parts;
#[cfg(test)]
mod tests;
mod unused;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use preset::{Number, Stack};
pub use problem::{Problem, Problems};

use crate::experiment::answer::Study;
use crate::units::Span;
use problem::Found;

/// The largest scenario file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A scenario that has been checked, and what it comes to.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What is to be simulated.
    pub study: Study,
    /// What each plan with each server came to, in the order of the study's combinations.
    pub resolved: Vec<Resolved>,
    /// The numbers in force that the file does not give, each with its source or marked as assumed.
    pub numbers: Vec<Number>,
    /// What is odd, in words: workers that memory does not hold, with the arithmetic.
    pub warnings: Vec<String>,
}

/// What one plan with one server comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The plan's name.
    pub plan: String,
    /// The server's name.
    pub server: String,
    /// Where its costs come from.
    pub stack: Stack,
    /// The workers as written: `2*cores+1`.
    pub workers_written: String,
    /// How many that is.
    pub workers: u32,
}

/// Reads the scenario in the file at `path` (`-`: from standard input), changed by the `--set`
/// arguments `sets` (`KEY=VALUE` each).
///
/// # Errors
///
/// Every problem with the file and the arguments, or the one that it cannot be read.
pub fn load(path: &Path, sets: &[String]) -> Result<Scenario, Problems> {
    Text::open(path)?.scenario(sets)
}

/// A scenario as written, to be read once for each what-if.
#[derive(Debug, Clone)]
pub struct Text {
    /// What messages call it.
    name: String,
    text: String,
    /// Where the files that it names lie; `None` where it has no place of its own.
    folder: Option<PathBuf>,
}

impl Text {
    /// What the file at `path` holds, or standard input where that is `-`.
    ///
    /// # Errors
    ///
    /// The one problem that it cannot be read.
    pub fn open(path: &Path) -> Result<Text, Problems> {
        let standard_input = path.as_os_str() == "-";
        let name = match standard_input {
            true => "standard input".to_owned(),
            false => path.display().to_string(),
        };
        let fail = |title: &str, way: &str| Err(Problems::unreadable(&name, title.to_owned(), way));
        if !standard_input && path.is_dir() {
            return fail("this is a folder, not a scenario", "name a .toml file in it");
        }
        let content = match standard_input {
            true => at_most(io::stdin().lock(), LARGEST),
            false => std::fs::File::open(path).and_then(|file| at_most(file, LARGEST)),
        };
        let bytes = match content {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return fail("the file is larger than 16MB", "name a scenario"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return fail("there is no such file", "check the name and the folder");
            }
            Err(error) => {
                let title = format!("the file cannot be read: {error}");
                return fail(&title, "check that you may read it");
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return fail("the file is not text in UTF-8", "save it as UTF-8, or name another file");
        };
        let folder = path.parent().filter(|_| !standard_input).map(Path::to_owned);
        Ok(Text { name, text, folder })
    }

    /// The scenario, changed by the `--set` arguments `sets` (`KEY=VALUE` each).
    ///
    /// # Errors
    ///
    /// Every problem with the text and the arguments, in the order of their places.
    pub fn scenario(&self, sets: &[String]) -> Result<Scenario, Problems> {
        read(&self.name, &self.text, sets, self.folder.as_deref())
    }
}

/// A time as people write it: `5s`, `250ms`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn time(text: &str) -> Result<Span, String> {
    quantity::parse_span(text)
}

/// All that `file` holds, or `None` where that is more than `most` bytes.
fn at_most(file: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Reads a scenario from its text. `name` is what messages call it; `folder` is where the files
/// it names lie, `None` where it has none (standard input).
///
/// # Errors
///
/// Every problem with the text and the arguments `sets`, in the order of their places.
pub fn read(
    name: &str,
    text: &str,
    sets: &[String],
    folder: Option<&Path>,
) -> Result<Scenario, Problems> {
    if text.trim().is_empty() {
        let way = "start from one of the scenarios that come with this program";
        return Err(Problems::unreadable(name, "the file is empty".to_owned(), way));
    }
    let found = Found::default();
    let mut document = document::parse(text, 0, &found);
    for (index, argument) in sets.iter().enumerate() {
        set::apply(&mut document, argument, index + 1, &found);
    }
    let file = file::read(&document, folder, &found);
    let presets = file.presets();
    check::check(&file, presets.as_deref(), &document, &found);
    let sound = presets.filter(|_| found.is_empty());
    let built = sound.and_then(|presets| build::build(&file, &presets, &document, name, &found));
    built.ok_or_else(|| {
        let mut texts = vec![(name.to_owned(), text.to_owned())];
        texts.extend(sets.iter().map(|argument| ("--set".to_owned(), argument.clone())));
        let list = found.into_list(&texts);
        Problems::new(texts, list)
    })
}
