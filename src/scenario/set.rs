//! `--set KEY=VALUE`: changes to the document before it is checked, so that a what-if is checked
//! exactly as the file is.

use std::ops::Range;

use super::document::{Entry, Node, Table, Value, parse_value};
use super::problem::{Found, Place, Problem};
use super::section::among;

/// The lists whose members have names.
const NAMED: [&str; 4] = ["plan", "server", "endpoint", "tier"];

/// Section, key, and the keys that say the same in another way: `--set` of the key removes what the
/// file says by them.
const INSTEAD: [(&str, &str, &[&str]); 6] = [
    ("tier", "rate", &["visitors", "requests_per_visit", "peak"]),
    ("tier", "visitors", &["rate"]),
    ("run", "precision", &["replications", "warmup", "measure"]),
    ("run", "replications", &["precision"]),
    ("run", "warmup", &["precision"]),
    ("run", "measure", &["precision"]),
];

const WAY: &str = "write KEY=VALUE, as in server.gunicorn.workers=5, plan.2GB.cores=2 or \
    database.max_connections=20";

/// One part of a key, and where it stands in the argument.
struct Part {
    text: String,
    span: Range<usize>,
    quoted: bool,
}

impl Part {
    fn place(&self, source: usize) -> Place {
        Place { source, span: Some(self.span.clone()) }
    }
}

/// Applies the argument `text`, which is the source `source`, to `document`.
pub(super) fn apply(document: &mut Table, text: &str, source: usize, found: &Found) {
    let whole = Place { source, span: Some(0..text.len()) };
    let Some((parts, value_at)) = split(text) else {
        found.add(Problem::at(&whole, "not of the form KEY=VALUE", WAY));
        return;
    };
    let Some(value) = value(&text[value_at..], source, value_at) else {
        let place = Place { source, span: Some(value_at..text.len()) };
        let way = "write it as in the file; around quotes, the shell needs quotes of its own";
        found.add(Problem::at(&place, "not a value", way));
        return;
    };
    let node = Node { place: Place { source, span: Some(value_at..text.len()) }, value };
    let (first, rest) = (&parts[0], &parts[1..]);
    if !NAMED.contains(&first.text.as_str()) {
        found.keep(put(document, &parts, &node, source));
        if let [key] = rest
            && let Some(Value::Table(section)) =
                document.get_mut(&first.text).map(|entry| &mut entry.node.value)
        {
            replace(section, &first.text, &key.text);
        }
    } else if let [name, keys @ ..] = rest
        && !keys.is_empty()
    {
        for member in members(document, first, name, &keys[0], source, found) {
            found.keep(put(member, keys, &node, source));
            replace(member, &first.text, &keys[0].text);
        }
    } else {
        let title = format!("`{}` needs a name and a key after it", first.text);
        found.add(Problem::at(&first.place(source), title, WAY));
    }
}

/// The members of a list that `name` means: one, or with `*` those that say `key`, as it may have
/// no meaning for the others (`threads` of a server); where none says it, all.
fn members<'d>(
    document: &'d mut Table,
    list: &Part,
    name: &Part,
    key: &Part,
    source: usize,
    found: &Found,
) -> Vec<&'d mut Table> {
    let all = name.text == "*" && !name.quoted;
    let mut names = Vec::new();
    let mut chosen = Vec::new();
    if let Some(Value::List(items)) =
        document.get_mut(&list.text).map(|entry| &mut entry.node.value)
    {
        for item in items {
            let Value::Table(table) = &mut item.value else { continue };
            let own = match table.get("name").map(|entry| &entry.node.value) {
                Some(Value::Text(own)) => own.clone(),
                _ => String::new(),
            };
            if all || own == name.text {
                chosen.push(table);
            } else {
                names.push(own);
            }
        }
    }
    if all && chosen.iter().any(|table| table.get(&key.text).is_some()) {
        chosen.retain(|table| table.get(&key.text).is_some());
    }
    if chosen.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let title = format!("no {} is named `{}`", list.text, name.text);
        found.add(Problem::at(&name.place(source), title, among(&name.text, &names)));
    }
    chosen
}

/// Removes what the file says in `section` by the keys that `key` stands instead of.
fn replace(section: &mut Table, name: &str, key: &str) {
    for (_, _, others) in INSTEAD.iter().filter(|it| (it.0, it.1) == (name, key)) {
        section
            .entries
            .retain(|entry| !entry.place.is_in_file() || !others.contains(&entry.key.as_str()));
    }
}

/// Puts `node` under the key `keys`, making tables on the way where none stand.
fn put(table: &mut Table, keys: &[Part], node: &Node, source: usize) -> Result<(), Problem> {
    let [key, rest @ ..] = keys else { return Ok(()) };
    let place = key.place(source);
    if rest.is_empty() {
        table.put(Entry { key: key.text.clone(), place, node: node.clone() });
        return Ok(());
    }
    if table.get(&key.text).is_none() {
        let value = Value::Table(Table { place: place.clone(), entries: Vec::new() });
        let node = Node { place: place.clone(), value };
        table.put(Entry { key: key.text.clone(), place: place.clone(), node });
    }
    match table.get_mut(&key.text).map(|entry| &mut entry.node.value) {
        Some(Value::Table(inner)) => put(inner, rest, node, source),
        _ => {
            let title = format!("`{}` is not a table", key.text);
            Err(Problem::at(&place, title, "set it as a whole"))
        }
    }
}

/// The parts of the key, and where the value begins.
fn split(text: &str) -> Option<(Vec<Part>, usize)> {
    let mut parts = Vec::new();
    let mut start = 0;
    loop {
        let part = part(text, start)?;
        let end = part.span.end;
        parts.push(part);
        match text[end..].chars().next()? {
            '.' => start = end + 1,
            '=' => return Some((parts, end + 1)),
            _ => return None,
        }
    }
}

/// The part of a key that begins at `start`: bare, or quoted as in TOML. (TOML's own keys have no
/// bare `*`, and no spaces or other letters outside of quotes.)
fn part(text: &str, start: usize) -> Option<Part> {
    let rest = &text[start..];
    if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let (text, length) = quoted(rest, quote)?;
        return Some(Part { text, span: start..start + length, quoted: true });
    }
    let length = rest.find(['.', '='])?;
    let text = rest[..length].trim().to_owned();
    (!text.is_empty()).then_some(Part { text, span: start..start + length, quoted: false })
}

/// The text in quotes that `rest` begins with, and how long it is with them: up to the first quote
/// with which it is one in TOML, which an escaped one is not.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut ends = rest.match_indices(quote).skip(1).map(|(at, _)| at + quote.len_utf8());
    ends.find_map(|end| match parse_value(&rest[..end], 0, 0) {
        Some(Value::Text(text)) => Some((text, end)),
        _ => None,
    })
}

/// The value: TOML, or else a bare word, which is a text. What begins like a list, a table or a
/// quoted text and is none is no bare word.
fn value(text: &str, source: usize, offset: usize) -> Option<Value> {
    parse_value(text, source, offset).or_else(|| {
        let word = text.trim();
        let bare = !word.is_empty() && !word.starts_with(['[', '{', '"', '\'']);
        bare.then(|| Value::Text(word.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_split_at_dots_outside_quotes() {
        let (parts, value_at) = split("plan.\"2.5 GB\".cores=2").unwrap();
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["plan", "2.5 GB", "cores"]);
        assert_eq!(value_at, 20);
        for text in ["", "plan", "plan.=1", "=1", "\"plan=1", "plan..cores=1"] {
            assert!(split(text).is_none(), "{text}");
        }
    }

    #[test]
    fn quotes_in_a_quoted_name_are_escaped_as_in_toml() {
        for (text, name) in [
            (r#"plan."s.1 \"small\" ü日本".cores=2"#, "s.1 \"small\" ü日本"),
            (r#"plan."it's \"q\"".cores=2"#, "it's \"q\""),
            (r#"plan."a\\".cores="2""#, "a\\"),
            (r"plan.'a\'.cores='2'", "a\\"),
        ] {
            let (parts, value_at) = split(text).unwrap();
            assert_eq!((parts.len(), parts[1].text.as_str()), (3, name), "{text}");
            assert!(text[..value_at].ends_with("cores="), "{text}");
        }
        for text in [r#"plan."a\".cores=2"#, r#"plan."\q".cores=2"#, r#"plan."a"b.cores=2"#] {
            assert!(split(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_bare_word_is_a_text() {
        let text = |written: &str| match value(written, 1, 0) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        assert_eq!(text("2GB"), Some("2GB".to_owned()));
        assert_eq!(text("2*cores+1"), Some("2*cores+1".to_owned()));
        assert_eq!(text("exp(3ms)"), Some("exp(3ms)".to_owned()));
        assert_eq!(text("\"5ms\""), Some("5ms".to_owned()));
        assert!(matches!(value("5", 1, 0), Some(Value::Whole(5))));
        assert!(matches!(value("{ pool = 3 }", 1, 0), Some(Value::Table(_))));
        assert!(value("{ pool = }", 1, 0).is_none());
        assert!(value("", 1, 0).is_none());
    }
}
