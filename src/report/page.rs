//! One HTML page holding the lot. It needs no network, no script and no other file.

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::words::{self, percent, plain, seconds};
use super::{chart, figure, notes, text, verdict};
use crate::experiment::answer::{Answers, Capacity, Effort, Row, Study, Threshold};
use crate::stats::estimate::{CONFIDENCE, Estimate};

/// The page, in UTF-8. What the scenario's author wrote is escaped.
pub fn page(study: &Study, answers: &Answers) -> String {
    let figures: Vec<String> = figure::all(study, answers).iter().map(chart::svg).collect();
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page.html")).expect(OWN_TEMPLATE);
    let template = environment.get_template("page.html").expect(OWN_TEMPLATE);
    let tables = [capacities(answers), results(study, answers), budgets(answers)];
    let context = context! {
        title => study.title.as_str(),
        sentences => text::sentences(study, answers),
        warnings => text::warnings(study),
        notes => notes::notes(study, answers),
        figures => figures,
        tables => Serde(tables),
        confidence => plain(CONFIDENCE * 100.0),
        effort => effort(study.effort),
        seed => study.seed.get().to_string(),
        version => env!("CARGO_PKG_VERSION"),
    };
    template.render(context).expect(OWN_TEMPLATE)
}

const OWN_TEMPLATE: &str = "the built-in template fits what it is given";

/// A table as the template wants it.
#[derive(Serialize)]
struct Table {
    title: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// The head of a column.
#[derive(Serialize)]
struct Column {
    name: &'static str,
    /// Whether its cells stand to the right.
    number: bool,
}

impl Table {
    /// A table of these columns, in order, of which `words` are the names of those that hold words
    /// and not numbers.
    fn new(title: &'static str, names: &[&'static str], words: &[&'static str]) -> Table {
        let column = |name: &&'static str| Column { name, number: !words.contains(name) };
        Table { title, columns: names.iter().map(column).collect(), rows: Vec::new() }
    }
}

fn capacities(answers: &Answers) -> Table {
    let names = [
        "plan",
        "server",
        "workers",
        "price a month",
        "load line",
        "saturation",
        "out of memory",
        "workers too many for memory",
        "memory at rest",
        "gives way first",
    ];
    let mut table = Table::new("Capacity", &names, &["plan", "server", "gives way first"]);
    table.rows = answers.capacities.iter().map(capacity_cells).collect();
    table
}

fn capacity_cells(capacity: &Capacity) -> Vec<String> {
    vec![
        capacity.plan.clone(),
        capacity.server.clone(),
        capacity.workers.to_string(),
        capacity.price.map(plain).unwrap_or_default(),
        capacity.load_line.map(|line| threshold(&line)).unwrap_or_default(),
        threshold(&capacity.saturation),
        out_of_memory(capacity),
        capacity.oom_workers.map(|workers| workers.to_string()).unwrap_or_default(),
        at_rest(capacity),
        capacity.first_limit.map(|limit| limit.name().to_owned()).unwrap_or_default(),
    ]
}

/// Where memory runs out: before the first request, with it, or at a rate.
fn out_of_memory(capacity: &Capacity) -> String {
    match capacity.oom {
        Threshold::AtRest if capacity.too_small().is_none() => "at any rate".to_owned(),
        Threshold::Never if capacity.leaks => "not within ten minutes".to_owned(),
        oom => threshold(&oom),
    }
}

fn at_rest(capacity: &Capacity) -> String {
    let used = words::memory(capacity.budget.used().get() as f64);
    match capacity.budget.ceiling {
        None => used,
        Some(ceiling) => format!("{used} of {}", words::memory(ceiling.get() as f64)),
    }
}

fn budgets(answers: &Answers) -> Table {
    let names = ["plan", "server", "before the first request"];
    let mut table = Table::new("Memory at rest", &names, &names);
    let cells = |it: &Capacity| vec![it.plan.clone(), it.server.clone(), it.budget.to_string()];
    table.rows = answers.capacities.iter().map(cells).collect();
    table
}

fn threshold(threshold: &Threshold) -> String {
    match threshold {
        Threshold::At { .. } => words::threshold(*threshold).unwrap_or_default(),
        Threshold::Never => "never".to_owned(),
        Threshold::AtRest => "at rest".to_owned(),
        Threshold::NotSearched => "not searched".to_owned(),
    }
}

fn results(study: &Study, answers: &Answers) -> Table {
    let names = [
        "plan",
        "server",
        "tier",
        "offered",
        "served",
        "p50",
        "p95",
        "95% interval",
        "p99",
        "errors",
        "CPU",
        "peak memory",
        "verdict",
    ];
    let mut table = Table::new("Results", &names, &["plan", "server", "tier", "verdict"]);
    table.rows = answers.rows.iter().map(|row| result_cells(study, row)).collect();
    table
}

fn result_cells(study: &Study, row: &Row) -> Vec<String> {
    let finding = &row.finding;
    let time = |it: Option<Estimate>| {
        it.filter(|_| finding.is_steady()).map(|it| seconds(it.mean)).unwrap_or_default()
    };
    let interval =
        finding.p95.filter(|_| finding.is_steady()).and_then(|p95| words::interval(&p95));
    let interval = interval.map(|(low, high)| format!("{} – {}", seconds(low), seconds(high)));
    vec![
        row.plan.clone(),
        row.server.clone(),
        row.tier.clone(),
        format!("{}/s", plain(row.offered.get())),
        if finding.is_steady() {
            format!("{}/s", plain(finding.served.mean))
        } else {
            String::new()
        },
        time(finding.p50),
        words::p95(finding),
        interval.unwrap_or_default(),
        time(finding.p99),
        words::errors(finding),
        percent(finding.usage.cpu_utilisation),
        words::memory(finding.usage.memory_peak.get() as f64),
        verdict::verdict(&study.objective, row),
    ]
}

fn effort(effort: Effort) -> String {
    match effort {
        Effort::Precision(share) => format!(
            "Each answer is simulated until half the width of p95's interval is at most {} of \
             p95, within a stated bound; rows that stopped at the bound are marked.",
            percent(share.get())
        ),
        Effort::Fixed { replications, warmup, measured } => format!(
            "Each answer rests on {replications} replications of {} measured after {} of warm-up.",
            seconds(measured.as_secs()),
            seconds(warmup.as_secs())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_the_author_wrote_is_escaped_and_nothing_is_fetched() {
        let evil = "<script>alert('x')</script> & \"co\"";
        let (mut study, answers) = sample::made_up(&[(evil, 2), ("4GB", 4)], &["a<b"], &[10.0]);
        study.title = evil.to_owned();
        let page = page(&study, &answers);
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;"));
        assert!(!page.contains("a<b"));
        let links = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http") && !links.contains("src="));
    }

    #[test]
    fn the_page_holds_every_figure_and_every_table() {
        let plans = [("2GB", 2), ("4GB", 4)];
        let (study, answers) = sample::made_up(&plans, &["gunicorn", "uvicorn"], &[10.0, 40.0]);
        let page = page(&study, &answers);
        assert_eq!(page.matches("<svg").count(), 4);
        // In words as well, for readers who cannot see them.
        for figure in figure::all(&study, &answers) {
            let said = format!(r#"role="img" aria-label="{}" viewBox="#, figure.alt_text());
            assert!(page.contains(&said), "{}", figure.name);
        }
        assert_eq!(page.matches("<tr>").count(), 3 + 4 + 8 + 4);
    }
}
