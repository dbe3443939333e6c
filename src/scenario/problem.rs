//! What is wrong with a scenario: every problem at once, each with its place, what was found, and
//! the way out.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::document::line_of;

/// Where something was written: in which text, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// 0: the file; from 1 on: the `--set` arguments in their order.
    pub(super) source: usize,
    /// The bytes of it; `None`: the text as a whole.
    pub(super) span: Option<Range<usize>>,
}

impl Place {
    /// The scenario file as a whole.
    pub(super) const FILE: Place = Place { source: 0, span: None };

    /// Whether it is in the scenario file, and not in an argument.
    pub(super) fn is_in_file(&self) -> bool {
        self.source == Place::FILE.source
    }

    /// Its first byte.
    pub(super) fn start(&self) -> usize {
        self.span.as_ref().map_or(0, |span| span.start)
    }

    pub(super) fn shift(&mut self, offset: usize) {
        if let Some(span) = &mut self.span {
            *span = span.start + offset..span.end + offset;
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    title: String,
    /// Notes, line by line; the last is the way out.
    said: Vec<String>,
    sort: Sort,
    /// More problems with the same value, which [`Found::add`] makes problems of their own.
    more: Vec<Problem>,
}

/// What sort of problem it is: where syntax is bad, some of the others may be mere consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Syntax,
    Missing,
    Other,
}

impl Problem {
    pub(super) fn at(place: &Place, title: impl Into<String>, way: impl Into<String>) -> Problem {
        Problem {
            place: place.clone(),
            title: title.into(),
            said: vec![way.into()],
            sort: Sort::Other,
            more: Vec::new(),
        }
    }

    /// This problem with another way out.
    pub(super) fn with_way(self, way: impl Into<String>) -> Problem {
        Problem { said: vec![way.into()], ..self }
    }

    /// This problem with what else is to be known of it, line by line, before the way out.
    pub(super) fn with_notes(mut self, notes: Vec<String>) -> Problem {
        self.said.splice(0..0, notes);
        self
    }

    /// This problem, marked as one of syntax.
    pub(super) fn syntax(self) -> Problem {
        Problem { sort: Sort::Syntax, ..self }
    }

    /// This problem, marked as one of something that should be there and is not.
    pub(super) fn missing(self) -> Problem {
        Problem { sort: Sort::Missing, ..self }
    }

    /// What is wrong, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }
}

const HAS_WAY_OUT: &str = "every problem comes with its way out";

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Found(RefCell<Vec<Problem>>);

impl Found {
    pub(super) fn add(&self, mut problem: Problem) {
        let more = std::mem::take(&mut problem.more);
        self.0.borrow_mut().push(problem);
        self.0.borrow_mut().extend(more);
    }

    /// The value, or `None` and the problem kept.
    pub(super) fn keep<T>(&self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.add(problem)).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them as one problem, which holds the others.
    pub(super) fn into_one(self) -> Option<Problem> {
        let mut all = self.0.into_inner().into_iter();
        let first = all.next()?;
        Some(Problem { more: all.collect(), ..first })
    }

    /// All of them, in the order of their places, without mere consequences of bad syntax.
    pub(super) fn into_list(self, texts: &[(String, String)]) -> Vec<Problem> {
        let mut list = self.0.into_inner();
        let line = |place: &Place| (place.source, line_of(&texts[place.source].1, place.start()));
        let broken: Vec<(usize, usize)> =
            list.iter().filter(|each| each.sort == Sort::Syntax).map(|p| line(&p.place)).collect();
        if !broken.is_empty() {
            list.retain(|each| match each.sort {
                Sort::Syntax => true,
                Sort::Missing => false,
                Sort::Other => {
                    each.place.span.as_ref().is_some_and(|span| !span.is_empty())
                        && !broken.contains(&line(&each.place))
                }
            });
        }
        list.sort_by_key(|each| (each.place.source, each.place.start()));
        list.dedup();
        list
    }
}

/// Everything that is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The texts: name and content, the file's first, then one per `--set` argument.
    texts: Vec<(String, String)>,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(texts: Vec<(String, String)>, list: Vec<Problem>) -> Problems {
        Problems { texts, list }
    }

    /// The one problem that a file could not be read at all.
    pub(super) fn unreadable(name: &str, title: String, way: &str) -> Problems {
        let problem = Problem::at(&Place::FILE, title, way);
        Problems { texts: vec![(name.to_owned(), String::new())], list: vec![problem] }
    }

    /// The problems, in the order of their places.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Line and column of a problem, each counted from 1, where it has a place.
    pub fn position(&self, problem: &Problem) -> Option<(usize, usize)> {
        let start = problem.place.span.as_ref()?.start;
        let text = &self.texts[problem.place.source].1;
        let before = text.get(..start)?;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count();
        Some((line_of(text, start) + 1, column + 1))
    }

    /// All of them as a person reads them, each with the lines it is about; in colour (ANSI) or
    /// plain. Ends with a newline.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for problem in &self.list {
            text += &renderer.render(&[self.group(problem)]);
            text += "\n\n";
        }
        text + &self.count()
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let (name, text) = &self.texts[problem.place.source];
        let title = Level::ERROR.primary_title(problem.title.as_str());
        let group = match &problem.place.span {
            Some(span) => title.element(
                Snippet::source(text.as_str())
                    .path(name.as_str())
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            None => title.element(Origin::path(name.as_str())),
        };
        let (way, notes) = problem.said.split_last().expect(HAS_WAY_OUT);
        let notes = notes.iter().map(|note| Level::NOTE.message(note.as_str()));
        group.elements(notes).element(Level::HELP.message(wrapped(way)))
    }

    fn count(&self) -> String {
        let name = &self.texts[0].0;
        match self.list.len() {
            1 => format!("1 problem in {name}\n"),
            many => format!("{many} problems in {name}\n"),
        }
    }
}

/// The text in lines of at most 80 columns where its words allow.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if length > 0 {
            let gap = if length + 1 + width > 80 { '\n' } else { ' ' };
            lines.push(gap);
            length = if gap == '\n' { 0 } else { length + 1 };
        }
        lines.push_str(word);
        length += width;
    }
    lines
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
