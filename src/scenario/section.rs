//! Reading a table key by key: a key that was never asked for is a problem.

use std::cell::RefCell;

use super::document::{Entry, Node, Table, Value};
use super::problem::{Found, Place, Problem};

/// A table being read.
pub(super) struct Section<'a> {
    table: &'a Table,
    /// How messages name it: `[[plan]] "2GB"`.
    name: String,
    known: RefCell<Vec<&'static str>>,
    /// Needed keys that are missing, unless a misspelt one was meant.
    lacking: RefCell<Vec<(&'static str, Problem)>>,
    pub(super) found: &'a Found,
}

impl<'a> Section<'a> {
    pub(super) fn new(table: &'a Table, name: impl Into<String>, found: &'a Found) -> Section<'a> {
        Section {
            table,
            name: name.into(),
            known: RefCell::default(),
            lacking: RefCell::default(),
            found,
        }
    }

    /// The table under `key`, or `None` with a problem where something else stands there.
    pub(super) fn table_of(node: &Node, found: &Found, example: &str) -> Option<Table> {
        match &node.value {
            Value::Table(table) => Some(table.clone()),
            other => {
                let title = format!("expected a table, found {}", other.kind());
                found.add(node.problem(title, format!("write it as {example}")));
                None
            }
        }
    }

    /// The entry under `key`, which from now on counts as asked for.
    pub(super) fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key)
    }

    /// The value under `key`, read by `parse`; `None` if there is none, or a bad one, which is then
    /// a problem.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&Node) -> Result<T, Problem>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        self.found.keep(parse(&entry.node))
    }

    /// Like [`Section::read`], but a missing key is a problem, with the way out `way`.
    pub(super) fn need<T>(
        &self,
        key: &'static str,
        way: &str,
        parse: impl FnOnce(&Node) -> Result<T, Problem>,
    ) -> Option<T> {
        if self.table.get(key).is_none() {
            self.lack(key, &format!("has no `{key}`"), way);
        }
        self.read(key, parse)
    }

    /// The needed `key` is not there: a problem of the table as a whole.
    pub(super) fn lack(&self, key: &'static str, title: &str, way: &str) {
        let title = format!("{} {title}", self.name);
        let problem = Problem::at(&self.table.place, title, way).missing();
        self.lacking.borrow_mut().push((key, problem));
    }

    /// A key that would be ignored here: where it stands, that is a problem.
    pub(super) fn refuse(&self, key: &'static str, why: &str, way: &str) {
        if let Some(entry) = self.entry(key) {
            let title = format!("`{key}` would be ignored: {why}");
            self.found.add(Problem::at(&entry.place, title, way));
        }
    }

    /// Those of `keys` that are written, and where.
    pub(super) fn places(&self, keys: &[&'static str]) -> Vec<(&'static str, Place)> {
        let place = |key: &&'static str| Some((*key, self.table.get(key)?.place.clone()));
        keys.iter().filter_map(place).collect()
    }

    /// Whether that key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> &'a Place {
        &self.table.place
    }

    /// Ends the reading: every key that was never asked for is a problem, and so is every needed
    /// one that is missing, unless a misspelt key was meant to be it.
    pub(super) fn done(self) {
        let known = self.known.borrow();
        for entry in self.table.entries.iter().filter(|each| !known.contains(&&*each.key)) {
            let title = format!("{} has no key `{}`", self.name, entry.key);
            let way = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => {
                    self.lacking.borrow_mut().retain(|(lacking, _)| *lacking != near);
                    format!("did you mean `{near}`?")
                }
                None => format!("it may have: {}", known.join(", ")),
            };
            self.found.add(Problem::at(&entry.place, title, way));
        }
        for (_, problem) in self.lacking.take() {
            self.found.add(problem);
        }
    }
}

/// The candidate that `word` was most likely meant to be, where one is near enough.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let alike = |each: &str| {
        strsim::jaro_winkler(&word.to_lowercase(), &each.to_lowercase())
            .max(strsim::normalized_damerau_levenshtein(word, each))
    };
    let scored = candidates.into_iter().map(|each| (alike(each), each));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|best| best.0 >= 0.8).map(|best| best.1)
}

/// The way out for a name that is not among `names`.
pub(super) fn among(word: &str, names: &[&str]) -> String {
    match nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "there is none of that kind yet".to_owned(),
        None => {
            let mut names = names.to_vec();
            names.dedup();
            format!("there is: {}", names.join(", "))
        }
    }
}
