//! Distributions as people write them: `"5ms"`, `"exp(5ms)"`, `{ mix = [...] }`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Node, Value};
use super::problem::{Found, Problem};
use super::quantity::{number, parse_number, parse_span, text};
use super::section::{Section, nearest};
use crate::site::Dist;
use crate::trace::Mistakes;
use crate::units::Span;

/// The most recorded values that are read from one file.
const MOST_VALUES: usize = 1_000_000;

const WAY: &str = "write \"5ms\", \"exp(5ms)\", \"lognormal(5ms, cv=0.8)\", \
    \"gamma(5ms, cv=0.5)\", \"uniform(2ms, 8ms)\", { mix = [[0.95, \"exp(4ms)\"], \
    [0.05, \"150ms\"]] } or { empirical = \"file.csv\" }";

/// Where the files that a scenario names are looked for; `None`: it may name none (standard
/// input has no folder).
pub(super) type Folder<'a> = Option<&'a Path>;

/// A distribution of times.
pub(super) fn dist(node: &Node, folder: Folder<'_>) -> Result<Dist, Problem> {
    dist_within(node, folder, 0)
}

fn dist_within(node: &Node, folder: Folder<'_>, depth: u32) -> Result<Dist, Problem> {
    match &node.value {
        Value::Text(text) => parse(text.trim()).map_err(|title| node.problem(title, WAY)),
        Value::Table(_) if depth > 8 => {
            Err(node.problem("mixtures nest too deeply", "write the mixture as one list"))
        }
        Value::Table(_) => from_table(node, folder, depth),
        Value::Whole(_) | Value::Number(..) => {
            Err(node.problem(format!("{} has no unit: expected a time", node.quoted()), WAY))
        }
        other => Err(node.problem(format!("expected a time, found {}", other.kind()), WAY)),
    }
}

fn from_table(node: &Node, folder: Folder<'_>, depth: u32) -> Result<Dist, Problem> {
    let Value::Table(table) = &node.value else {
        return Err(node.problem("expected a table", WAY));
    };
    let found = Found::default();
    let section = Section::new(table, "a distribution", &found);
    let mix = section.read("mix", |inner| mix(inner, folder, depth));
    let file = section.read("empirical", |inner| empirical(inner, folder));
    section.done();
    if let Some(first) = found.into_one() {
        return Err(first);
    }
    match (mix, file) {
        (Some(dist), None) | (None, Some(dist)) => Ok(dist),
        _ => Err(node.problem("expected either `mix` or `empirical`", WAY)),
    }
}

fn parse(text: &str) -> Result<Dist, String> {
    let Some((name, rest)) = text.split_once('(') else {
        return parse_span(text).map(Dist::Fixed);
    };
    let inside = rest.strip_suffix(')').ok_or_else(|| format!("`{text}` lacks its closing `)`"))?;
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    match (name.trim(), parts.as_slice()) {
        ("exp", [mean]) => Ok(Dist::Exponential { mean: positive(mean)? }),
        ("lognormal", [mean, cv]) => {
            Ok(Dist::LogNormal { mean: positive(mean)?, cv: variation(cv)? })
        }
        ("gamma", [mean, cv]) => Ok(Dist::Gamma { mean: positive(mean)?, cv: variation(cv)? }),
        ("uniform", [low, high]) => uniform(low, high),
        ("exp", _) => Err(format!("`{text}`: exp takes one time, its mean")),
        ("lognormal" | "gamma", _) => {
            Err(format!("`{text}`: {} takes its mean and a cv", name.trim()))
        }
        ("uniform", _) => Err(format!("`{text}`: uniform takes its shortest and longest time")),
        (other, _) => Err(match nearest(other, ["exp", "lognormal", "gamma", "uniform"]) {
            Some(near) => format!("`{other}` is not a distribution; did you mean `{near}`?"),
            None => format!("`{other}` is not a distribution"),
        }),
    }
}

fn positive(text: &str) -> Result<Span, String> {
    let span = parse_span(text)?;
    if span.is_zero() { Err("the mean must lie above 0".to_owned()) } else { Ok(span) }
}

fn variation(text: &str) -> Result<f64, String> {
    let digits = match text.split_once('=') {
        Some((name, digits)) if name.trim() == "cv" => digits.trim(),
        _ => return Err(format!("`{text}` is not a cv: write cv=0.8")),
    };
    match parse_number(digits) {
        Some(cv) if cv > 0.0 && cv <= 100.0 => Ok(cv),
        _ => Err(format!("`{digits}` is not a cv above 0 and up to 100")),
    }
}

fn uniform(low: &str, high: &str) -> Result<Dist, String> {
    let (low, high) = (parse_span(low)?, parse_span(high)?);
    if low < high {
        Ok(Dist::Uniform { low, high })
    } else {
        Err("uniform needs its shortest time below its longest".to_owned())
    }
}

fn mix(node: &Node, folder: Folder<'_>, depth: u32) -> Result<Dist, Problem> {
    let parts = match &node.value {
        Value::List(items) if !items.is_empty() => {
            items.iter().map(|item| part(item, folder, depth)).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(node.problem("a mix is a list of [weight, time]", WAY)),
    };
    if parts.iter().map(|(weight, _)| weight).sum::<f64>() > 0.0 {
        Ok(Dist::Mix(parts))
    } else {
        Err(node.problem("the weights of a mix sum to 0", "give at least one part a weight"))
    }
}

fn part(node: &Node, folder: Folder<'_>, depth: u32) -> Result<(f64, Dist), Problem> {
    match &node.value {
        Value::List(pair) if pair.len() == 2 => {
            let weight = number(0.0, 1e9, false)(&pair[0])?;
            Ok((weight, dist_within(&pair[1], folder, depth + 1)?))
        }
        _ => Err(node.problem("a part of a mix is [weight, time]", WAY)),
    }
}

fn empirical(node: &Node, folder: Folder<'_>) -> Result<Dist, Problem> {
    let name = text(node)?;
    let way = "name a file with one time per line, as in 12.5ms, beside the scenario";
    let Some(folder) = folder else {
        return Err(node.problem("a scenario from standard input can name no file", way));
    };
    let path: PathBuf = folder.join(&name);
    let fail = |why: String| node.problem(format!("cannot read {}: {why}", path.display()), way);
    let bytes = std::fs::File::open(&path)
        .and_then(|file| super::at_most(file, super::LARGEST))
        .map_err(|error| fail(error.to_string()))?
        .ok_or_else(|| fail("it is larger than 16MB".to_owned()))?;
    let text = String::from_utf8(bytes).map_err(|_| fail("it is not text in UTF-8".to_owned()))?;
    let mut mistakes = Mistakes::of(path.display().to_string());
    let values = values(&text, &mut mistakes);
    let wrong = |why: String| node.problem(format!("{}: {why}", path.display()), way);
    match values.len() {
        _ if mistakes.count() > 0 => {
            Err(node.problem(mistakes.sum(), way).with_notes(mistakes.lines()))
        }
        0 => Err(wrong("no time in it".to_owned())),
        count if count > MOST_VALUES => Err(wrong(format!("more than {MOST_VALUES} times"))),
        _ => Ok(Dist::Empirical(Arc::from(values))),
    }
}

/// One time per line. Empty lines and a heading without digits are skipped; other lines that are
/// not times go to `mistakes`.
fn values(text: &str, mistakes: &mut Mistakes) -> Vec<Span> {
    let mut values = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_matches('"');
        let heading = index == 0 && !line.contains(|c: char| c.is_ascii_digit());
        if line.is_empty() || heading {
            continue;
        }
        match parse_span(line) {
            Ok(value) => values.push(value),
            Err(why) => mistakes.add(index as u64 + 1, why),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_gives_its_distribution() {
        let mean = Span::from_millis(5);
        let cases = [
            ("5ms", Dist::Fixed(mean)),
            ("exp(5ms)", Dist::Exponential { mean }),
            ("lognormal(5ms, cv=0.8)", Dist::LogNormal { mean, cv: 0.8 }),
            ("gamma( 5ms , cv = 0.5 )", Dist::Gamma { mean, cv: 0.5 }),
            (
                "uniform(2ms, 8ms)",
                Dist::Uniform { low: Span::from_millis(2), high: Span::from_millis(8) },
            ),
        ];
        for (text, dist) in cases {
            assert_eq!(parse(text), Ok(dist), "{text}");
        }
    }

    #[test]
    fn a_distribution_that_is_none_says_why() {
        let cases = [
            ("expo(5ms)", "`expo` is not a distribution; did you mean `exp`?"),
            ("exp(5ms", "`exp(5ms` lacks its closing `)`"),
            ("exp(0ms)", "the mean must lie above 0"),
            ("exp(5)", "`5` is not a time"),
            ("lognormal(5ms)", "`lognormal(5ms)`: lognormal takes its mean and a cv"),
            ("lognormal(5ms, 0.8)", "`0.8` is not a cv: write cv=0.8"),
            ("gamma(5ms, cv=0)", "`0` is not a cv above 0 and up to 100"),
            ("uniform(8ms, 2ms)", "uniform needs its shortest time below its longest"),
        ];
        for (text, why) in cases {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn recorded_times_stand_one_to_a_line_under_an_optional_heading() {
        let mut mistakes = Mistakes::of("times.csv".to_owned());
        let read = values("response\n12.5ms\n\n3ms\n", &mut mistakes);
        assert_eq!(read, [Span::from_micros(12_500), Span::from_millis(3)]);
        assert_eq!((values("heading\n", &mut mistakes), mistakes.count()), (Vec::new(), 0));
        values("5ms\n7\n\n-2ms\n", &mut mistakes);
        let wrong = ["times.csv:2: `7` is not a time", "times.csv:4: `-2ms` is a time below 0"];
        assert_eq!(mistakes.lines(), wrong);
    }
}
