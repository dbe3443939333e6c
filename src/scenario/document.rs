//! A TOML document as a tree that knows where each of its parts was written, in the file or in a
//! `--set` argument.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Found, Place, Problem};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// The values that TOML has. No key takes a date, so a date keeps no content.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Whole(i128),
    /// A number with a fraction or an exponent, or one too large to be counted with; and as it was
    /// written, which may be far shorter than its digits.
    Number(f64, String),
    Bool(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// A table: its entries in the order in which they were written.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) place: Place,
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Value {
    /// What it is, as a message names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Whole(_) | Value::Number(..) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Node {
    /// A problem with this value: what is wrong, and the way out.
    pub(super) fn problem(&self, title: impl Into<String>, way: impl Into<String>) -> Problem {
        Problem::at(&self.place, title, way)
    }

    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a message quotes it, where it is short enough to quote.
    pub(super) fn quoted(&self) -> String {
        match &self.value {
            Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Value::Text(text) => format!("`\"{text}\"`"),
            Value::Whole(number) => format!("`{number}`"),
            Value::Number(_, written) => format!("`{written}`"),
            Value::Bool(yes) => format!("`{yes}`"),
            other => other.kind().to_owned(),
        }
    }
}

impl Table {
    /// The entry of that key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of that key, to be changed.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// The tables of the list of that key.
    pub(super) fn members(&self, key: &str) -> Vec<&Table> {
        let items = match self.get(key).map(|entry| &entry.node.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        let mut tables = Vec::new();
        for item in items {
            if let Value::Table(table) = &item.value {
                tables.push(table);
            }
        }
        tables
    }

    /// Puts an entry in the place of the one with its key, or at the end.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

/// Reads the text of `source`; what is wrong with its syntax is put into `found`, and what could
/// be read is returned all the same, so that everything else can be judged too.
pub(super) fn parse(text: &str, source: usize, found: &Found) -> Table {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = line_of(text, span.start);
        if last_line.replace(line) == Some(line) {
            continue;
        }
        let place = Place { source, span: Some(span) };
        let message = error.message();
        let title = format!("not TOML: {}", message.trim_end_matches(", expected literal string"));
        found.add(Problem::at(&place, title, syntax_help(message)).syntax());
    }
    table(document.get_ref(), Place { source, span: None }, source)
}

/// Reads one value, as it stands right of an `=`; `None` where it is not TOML.
pub(super) fn parse_value(text: &str, source: usize, offset: usize) -> Option<Value> {
    let (value, errors) = DeValue::parse_recoverable(text);
    errors.is_empty().then(|| {
        let mut node = node(&value, source);
        shift(&mut node, offset);
        node.value
    })
}

fn syntax_help(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "a table can have a key only once: remove one of them"
    } else if message.contains("must be quoted") || message.contains("invalid float") {
        "texts, times, sizes and rates are written in quotes: \"5ms\", \"2GB\", \"40/s\""
    } else {
        "each line is `key = value`, `[table]` or `[[list of tables]]`; texts are written in quotes"
    }
}

/// The line, counted from 0, of a place in a text.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

fn table(parsed: &DeTable<'_>, place: Place, source: usize) -> Table {
    let mut entries: Vec<Entry> = parsed
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: at(source, key.span()),
            node: node(value, source),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place.start());
    Table { place, entries }
}

fn node(parsed: &Spanned<DeValue<'_>>, source: usize) -> Node {
    let place = at(source, parsed.span());
    let value = match parsed.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(whole) => i128::from_str_radix(whole.as_str(), whole.radix())
            .map_or_else(|_| Value::Number(f64::INFINITY, whole.to_string()), Value::Whole),
        DeValue::Float(float) => {
            let number = float.as_str().parse().unwrap_or(f64::NAN);
            Value::Number(number, float.as_str().to_owned())
        }
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.iter().map(|each| node(each, source)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, place.clone(), source)),
    };
    Node { place, value }
}

fn at(source: usize, span: Range<usize>) -> Place {
    Place { source, span: Some(span) }
}

/// Moves every place in `node` by `offset`: a value was read from the middle of its text.
fn shift(node: &mut Node, offset: usize) {
    node.place.shift(offset);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|each| shift(each, offset)),
        Value::Table(table) => {
            table.place.shift(offset);
            for entry in &mut table.entries {
                entry.place.shift(offset);
                shift(&mut entry.node, offset);
            }
        }
        _ => {}
    }
}
