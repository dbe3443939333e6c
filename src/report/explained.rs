//! One plan with one server at one tier, in words and tables: where the time goes, how busy
//! everything is, what gives way first, and what each change that was tried does.

use super::lines::{COLUMNS, Paint, align_right, ruled_within, said, trimmed, wrap};
use super::names::apart;
use super::text::{sentence, warnings};
use super::verdict::verdict;
use super::words::{self, memory, percent, plain, seconds};
use crate::experiment::advice::Change;
use crate::experiment::answer::{Finding, Objective, Study, Usages};
use crate::experiment::explain::{Effect, Performance, TestedChange, best};
use crate::outcome::{Cause, Stage};
use crate::site::{Budget, Connections, Hold};

/// What was found, for a terminal. `study` has one combination and tier, `now` is how it performs,
/// and `tried` are the changes, the one that helps most first. With `color` it holds ANSI colours.
pub fn text(study: &Study, now: &Performance, tried: &[TestedChange], color: bool) -> String {
    let paint = Paint::new(color);
    let heading = |text: &str| paint.bold(text);
    let mut parts = vec![heading(&wrap(&title(now), "")), said(&summary(study, now))];
    let warnings = warnings(study);
    if !warnings.is_empty() {
        parts.push(paint.red(&said(&warnings)));
    }
    let grows = now.row.finding.grows;
    let so_far = if grows { ", up to the end of the simulation" } else { "" };
    let section = |what: &str| heading(&format!("{what}{so_far}")) + "\n";
    parts.extend(times(&now.row.finding).map(|it| section("Where the time goes") + &it));
    parts.push(section("How busy everything is") + &said(&busy(now)));
    if tried.is_empty() {
        return parts.join("\n\n") + "\n";
    }
    parts.push(
        heading("What a change does, for the same requests") + "\n" + &changes(study, now, tried),
    );
    parts.push(said(&advice(study, now, tried)));
    parts.extend(commands(study, now, tried));
    parts.join("\n\n") + "\n"
}

fn title(now: &Performance) -> String {
    let row = &now.row;
    let name = format!("{} with {}, {}", row.plan, row.server, row.tier);
    format!("{}: {} requests/s", words::printable(&name), plain(row.offered.get()))
}

/// How it does, and what it would carry.
fn summary(study: &Study, now: &Performance) -> Vec<String> {
    let finding = &now.row.finding;
    let verdict = verdict(&study.objective, &now.row);
    let mut lines = vec![format!("{}: {verdict}.", answers(&study.objective, finding))];
    lines.extend(failures(finding).filter(|_| finding.is_steady()));
    lines.push(sentence(study, &now.capacity));
    lines
}

/// How it answers, in a sentence.
fn answers(objective: &Objective, finding: &Finding) -> String {
    if finding.grows {
        return "More requests come than are carried: p95 grows until visitors give up".to_owned();
    }
    if finding.is_beyond_reach() {
        return "More requests would be in flight than the simulator can hold".to_owned();
    }
    if finding.lacks_p95() {
        let lost = words::errors(finding);
        return format!("No request is answered, and {lost} of the requests fail");
    }
    let half = words::p95_half_width(finding).map(|half| format!(" (±{half})"));
    let p95 = words::p95(finding);
    let unclear = words::unclear_errors(objective, finding).map(|between| format!(" ({between})"));
    let (half, unclear) = (half.unwrap_or_default(), unclear.unwrap_or_default());
    format!("p95 is {p95}{half}, {}{unclear} of the requests fail", words::errors(finding))
}

/// What requests fail for, where any do.
fn failures(finding: &Finding) -> Option<String> {
    let share = |cause: Cause| finding.errors[cause as usize];
    let causes = Cause::ALL.into_iter().filter(|cause| share(*cause) > 0.0);
    let said = causes.map(|it| format!("{} {}", percent(share(it)), words::cause_for_people(it)));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| format!("Of all requests: {}.", said.join(", ")))
}

/// A stage that takes less than this, in seconds, gets no line.
const SHORTEST: f64 = 1e-6;

/// Each stage's part of the response, on average and around the 95th percentile.
fn times(finding: &Finding) -> Option<String> {
    let (mean, slow) = (finding.mean_request?, finding.slow_request?);
    let mut table = ruled_within(COLUMNS);
    table.set_header(["", "on average", "", "around p95", ""]);
    let row = |name: &str, parts: [(f64, f64); 2]| {
        let cells = parts.map(|(part, whole)| {
            let share = if whole > 0.0 { part / whole } else { 0.0 };
            [seconds(part), format!("{:.0}%", 100.0 * share)]
        });
        std::iter::once(name.to_owned()).chain(cells.into_iter().flatten()).collect::<Vec<_>>()
    };
    let wholes: [f64; 2] = [mean.iter().sum(), slow.iter().sum()];
    for stage in Stage::ALL {
        let parts = [mean[stage as usize], slow[stage as usize]];
        if parts.iter().any(|part| *part >= SHORTEST) {
            table.add_row(row(words::doing(stage), [(parts[0], wholes[0]), (parts[1], wholes[1])]));
        }
    }
    table.add_row(row("in all", wholes.map(|whole| (whole, whole))));
    align_right(&mut table, 1..5);
    Some(trimmed(&table.to_string()))
}

/// Utilisation and use of everything there is.
fn busy(now: &Performance) -> Vec<String> {
    let usage: &Usages = &now.row.finding.usage;
    let mut lines = vec![
        format!("busy: {}", utilisations(usage)),
        format!(
            "requests inside: {} on average, {} at most",
            plain(usage.inside_mean),
            plain(usage.inside_peak as f64)
        ),
        format!(
            "connections to the database: {} in use on average, {} open at most",
            plain(usage.connections_busy_mean),
            usage.connections_peak
        ),
    ];
    lines.extend(memory_used(now));
    let kills = now.row.finding.oom_kills_per_hour;
    lines.extend((kills > 0.0).then(|| format!("OOM kills: {} an hour", plain(kills))));
    lines
}

/// The utilisation of everything that is in use at all.
fn utilisations(usage: &Usages) -> String {
    let shares = [
        ("cores", Some(usage.cpu_utilisation)),
        ("database's cores", usage.database_cpu_utilisation),
        ("workers", Some(usage.worker_utilisation)),
        ("GIL or event loop", Some(usage.gil_utilisation)),
        ("pool", usage.pool_utilisation),
    ];
    let some =
        shares.iter().filter_map(|(name, share)| Some((name, share.filter(|it| *it > 0.0)?)));
    let said: Vec<String> =
        some.map(|(name, share)| format!("{name} {}", percent(share))).collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}

/// The memory of the workers' host and, where it has one, of the database's own.
fn memory_used(now: &Performance) -> impl Iterator<Item = String> {
    let there_is = |budget: &Budget| {
        let ceiling = budget.ceiling.map(|it| format!("; there is {}", memory(it.get() as f64)));
        ceiling.unwrap_or_default()
    };
    let peak = memory(now.row.finding.usage.memory_peak.get() as f64);
    let here = format!("memory: {peak} at most{}", there_is(&now.capacity.budget));
    let there = now.capacity.database_budget.as_ref().map(|budget| {
        let rest = memory(budget.used().get() as f64);
        format!("memory of the database's host: {rest} at rest{}", there_is(budget))
    });
    std::iter::once(here).chain(there)
}

/// A row for how it is now, and one for each change.
fn changes(study: &Study, now: &Performance, tried: &[TestedChange]) -> String {
    let mut table = ruled_within(COLUMNS);
    table.set_header(["", "p95", "±", "errors", "carries", "", ""]);
    table.add_row(row("as it is".to_owned(), now, None));
    let names: Vec<String> = tried.iter().map(|each| in_words(each, now)).collect();
    let names = apart(&names, |name| name.chars().count() <= 26);
    for (each, name) in tried.iter().zip(names) {
        let effect = each.effect(now, &study.objective);
        table.add_row(row(name, &each.performance, Some((now, effect))));
    }
    align_right(&mut table, 1..6);
    trimmed(&table.to_string())
}

/// A row of the table of changes; `change`: how the site performs now, and the effect on that.
fn row(
    name: String,
    performance: &Performance,
    change: Option<(&Performance, Effect)>,
) -> [String; 7] {
    let finding = &performance.row.finding;
    let gain = change.and_then(|(now, _)| gain(now, performance));
    let effect = change.map(|(_, effect)| match effect {
        Effect::Better => "better",
        Effect::None => "same",
        Effect::Worse if performance.capacity.too_small().is_some() => "worse: memory",
        Effect::Worse => "worse",
    });
    [
        name,
        words::p95(finding),
        words::p95_half_width(finding).unwrap_or_default(),
        words::errors(finding),
        carries(performance),
        gain.map(|gain| format!("{:+.0}%", 100.0 * gain)).unwrap_or_default(),
        effect.unwrap_or_default().to_owned(),
    ]
}

/// What it carries, as a rate.
fn carries(standing: &Performance) -> String {
    match standing.carries() {
        Some(rate) if rate.is_finite() => format!("{}/s", plain(rate)),
        Some(_) => "any load".to_owned(),
        None => String::new(),
    }
}

/// How much more it carries than `now`, as a share of that; `None` where either is no finite rate.
fn gain(now: &Performance, then: &Performance) -> Option<f64> {
    let (before, after) = (now.carries()?, then.carries()?);
    (before > 0.0 && before.is_finite() && after.is_finite()).then(|| after / before - 1.0)
}

/// What to do: the change that helps most on the same machine, and the one that helps most with
/// more hardware.
fn advice(study: &Study, now: &Performance, tried: &[TestedChange]) -> Vec<String> {
    let free = best(study, now, tried, false).map_or_else(
        || "Nothing that was tried on this machine helps.".to_owned(),
        |it| {
            format!("On this machine {} helps most: {}.", in_words(it, now), what_comes_of(it, now))
        },
    );
    let paid = best(study, now, tried, true).map(|it| {
        format!("With more hardware {} helps most: {}.", in_words(it, now), what_comes_of(it, now))
    });
    std::iter::once(free).chain(paid).collect()
}

/// What a change does: how much is carried then and now, p95 and errors then and now.
fn what_comes_of(tried: &TestedChange, now: &Performance) -> String {
    let rates = match (carries(&tried.performance), carries(now)) {
        (then, before) if then == before => format!("carries {then} as before"),
        (then, before) => format!("carries {then} instead of {before}"),
    };
    let price =
        Some(&tried.performance.capacity).filter(|_| matches!(tried.change, Change::Plan(_)));
    let price = price.and_then(|it| it.price).map(|it| format!(", for {} a month", plain(it)));
    let price = price.unwrap_or_default();
    format!("{rates}{price}, {}", at_this_tier(&tried.performance.row.finding, &now.row.finding))
}

/// How p95 at the tier changes and, where they do, the errors.
fn at_this_tier(then: &Finding, before: &Finding) -> String {
    let p95 = match (then.lacks_p95(), before.lacks_p95()) {
        (true, true) => return "but still not all of this tier".to_owned(),
        (true, false) => return "but not this tier".to_owned(),
        (false, true) => {
            return format!("with a p95 of {} at this tier{}", words::p95(then), fails(then));
        }
        (false, false) => match (words::p95(then), words::p95(before)) {
            (then, before) if then == before => {
                format!("with a p95 of {then} at this tier, as before")
            }
            (then, before) => format!("with a p95 of {then} instead of {before} at this tier"),
        },
    };
    let (fail, failed) = (words::errors(then), words::errors(before));
    match fail == failed {
        true => p95,
        false => format!("{p95}, where {fail} of the requests fail instead of {failed}"),
    }
}

/// How many requests fail, where any do.
fn fails(finding: &Finding) -> String {
    match finding.error_rate.mean > 0.0 {
        true => format!(", where {} of the requests fail", words::errors(finding)),
        false => String::new(),
    }
}

/// The commands that explain the advised changes in full, each on one line, to be copied.
fn commands(study: &Study, now: &Performance, tried: &[TestedChange]) -> Option<String> {
    let advised = [false, true].into_iter().filter_map(|machine| best(study, now, tried, machine));
    let command = |it: &TestedChange| {
        let words = it.command.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ");
        // Standard input has been read by now.
        let input =
            if it.command.iter().any(|word| word == "-") { ", from the same input" } else { "" };
        format!("To see in full what {} does{input}:\n  {words}", in_words(it, now))
    };
    let commands: Vec<String> = advised.map(command).collect();
    (!commands.is_empty()).then(|| commands.join("\n"))
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._=-/".contains(c);
    match !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A change as a scenario would say it, and the workers where those come with the cores.
fn in_words(tried: &TestedChange, now: &Performance) -> String {
    let workers = tried.performance.capacity.workers;
    let with_workers = match workers == now.capacity.workers {
        true => String::new(),
        false => format!(" ({})", words::counted(workers.into(), "worker")),
    };
    match &tried.change {
        Change::Workers(count) => format!("workers = {count}"),
        Change::Threads(count) => format!("threads = {count}"),
        Change::WithThreads(count) => format!("kind = threads, {count} each"),
        Change::Connect(Connections { keep, limit, hold, .. }) => match limit {
            Some(_) if *hold == Hold::Query => format!("pool = {keep}, hold = query"),
            Some(_) => format!("pool = {keep}"),
            None => "connections = persistent".to_owned(),
        },
        Change::MaxConnections(count) => format!("max_connections = {count}"),
        Change::OwnDatabase(cores, _) => {
            format!("database host, {}", words::counted((*cores).into(), "core"))
        }
        Change::Cores(count) => format!("cores = {count}{with_workers}"),
        Change::CoresAndWorkers(cores, workers) => format!("cores = {cores}, workers = {workers}"),
        Change::Memory(bytes) => format!("memory = {bytes}"),
        Change::DatabaseCores(count) => format!("database host of {count} cores"),
        Change::DatabaseMemory(bytes) => format!("database host of {bytes}"),
        Change::Server(name) => format!("server {}", words::printable(name)),
        Change::Plan(name) => format!("plan {}", words::printable(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::stats::estimate::Estimate;
    use crate::units::Bytes;

    /// A site at 10 requests a second that carries 20.7 of them, and what two changes make of it:
    /// another server's capacity is 1.4 times that, another plan's twice.
    fn made_up() -> (Study, Performance, Vec<TestedChange>) {
        let plans = [("2GB", 2), ("4GB", 4)];
        let (mut study, answers) = sample::made_up(&plans, &["gunicorn", "uvicorn"], &[10.0]);
        study.combinations.truncate(1);
        let mut standings = Performance::all(answers);
        let (paid, free) = (standings.swap_remove(2), standings.swap_remove(1));
        let changes = [
            (Change::Plan("4GB".to_owned()), ["--plan", "4GB"], paid),
            (Change::Workers(5), ["--set", "server.\"my app\".workers=5"], free),
        ];
        let tried = changes.map(|(change, words, performance)| {
            let command = ["tonnage", "explain", "my site.toml"].into_iter().chain(words);
            TestedChange { change, command: command.map(str::to_owned).collect(), performance }
        });
        (study, standings.swap_remove(0), tried.into())
    }

    #[test]
    fn what_helps_most_is_said_with_and_without_another_machine() {
        let (study, now, mut tried) = made_up();
        let expected = [
            "On this machine workers = 5 helps most: carries 29/s instead of 20.7/s, with a p95 of \
             87 ms instead of 106 ms at this tier.",
            "With more hardware plan 4GB helps most: carries 41.4/s instead of 20.7/s, for 24 a \
             month, with a p95 of 76.7 ms instead of 106 ms at this tier.",
        ];
        assert_eq!(advice(&study, &now, &tried), expected);
        let typed = |words: &str| format!("\n  tonnage explain {words}");
        let workers = typed(r#"'my site.toml' --set 'server."my app".workers=5'"#);
        let plan = typed("'my site.toml' --plan 4GB");
        let [free, paid] =
            ["To see in full what workers = 5 does", "To see in full what plan 4GB does"];
        let said = commands(&study, &now, &tried);
        assert_eq!(said, Some(format!("{free}:{workers}\n{paid}:{plan}")));
        tried.truncate(1);
        tried[0].command[2] = "-".to_owned();
        let plan = typed("- --plan 4GB");
        let said = commands(&study, &now, &tried);
        assert_eq!(said, Some(format!("{paid}, from the same input:{plan}")));
    }

    #[test]
    fn a_shell_takes_every_word_for_what_it_is() {
        let words =
            ["a=b", "", "=ls", "a b", "it's", "$HOME", "~", "*", "!!", "\\", "\"", "ü", "#"];
        let line = words.map(shell).join(" ");
        let expected = r##"a=b '' '=ls' 'a b' 'it'\''s' '$HOME' '~' '*' '!!' '\' '"' 'ü' '#'"##;
        assert_eq!(line, expected);
    }

    #[test]
    fn a_p95_that_grows_is_compared_with_none() {
        let (study, mut now, mut tried) = made_up();
        // It carries the same, and is quicker.
        tried[1].performance.capacity = now.capacity.clone();
        assert_eq!(tried[1].effect(&now, &study.objective), Effect::Better);
        let grow = |standing: &mut Performance| standing.row.finding.grows = true;
        grow(&mut tried[1].performance);
        assert_eq!(tried[1].effect(&now, &study.objective), Effect::Worse);
        grow(&mut now);
        assert_eq!(tried[1].effect(&now, &study.objective), Effect::None);
        tried[1].performance.row.finding.grows = false;
        assert_eq!(tried[1].effect(&now, &study.objective), Effect::Better);
        let said = what_comes_of(&tried[1], &now);
        assert_eq!(said, "carries 20.7/s as before, with a p95 of 87 ms at this tier");
        assert!(summary(&study, &now)[0].starts_with("More requests come than are carried"));
        let row = row("as it is".to_owned(), &now, None);
        assert_eq!(row[1..4], ["grows", "", "grows"]);
        // Now it has grown for so long that no request is answered.
        now.row.finding.grows = false;
        (now.row.finding.p95, now.row.finding.error_rate) = (None, Estimate::of(&[1.0]).unwrap());
        assert_eq!(tried[1].effect(&now, &study.objective), Effect::Better);
        assert_eq!(what_comes_of(&tried[1], &now), said);
        assert!(summary(&study, &now)[0].starts_with("No request is answered, and 100% of"));
    }

    #[test]
    fn what_fails_less_often_helps_and_is_said_to() {
        let (study, mut now, mut tried) = made_up();
        let errors = |share: f64| Estimate::of(&[share, 1.001 * share]).unwrap();
        tried[1].performance = now.clone();
        (now.row.finding.error_rate, tried[1].performance.row.finding.error_rate) =
            (errors(0.21), errors(0.0001));
        let said = &advice(&study, &now, &tried)[0];
        let expected = "On this machine workers = 5 helps most: carries 20.7/s as before, with a \
                        p95 of 106 ms at this tier, as before, where 0.01% of the requests fail \
                        instead of 21%.";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_database_host_that_is_too_small_is_named_and_kills_are_not_put_down_to_the_plan() {
        let (mut study, mut now, tried) = made_up();
        let (taken, small) = (Bytes::from_mib(600), Some(Bytes::from_mib(300)));
        let budget = Budget { lines: vec![("postgres".into(), 1, taken)], ceiling: small };
        study.combinations[0].database_budget = Some(budget.clone());
        now.capacity.database_budget = Some(budget);
        now.row.finding.oom_kills_per_hour = 1332.0;
        let said = text(&study, &now, &tried, false);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "- 2GB · gunicorn: the database's host is too small: postgres 600MB = 600MB > 300MB",
            "there is 2 GB - memory of the database's host: 600 MB at rest; there is 300 MB",
            "- OOM kills: 1,332 an hour",
        ] {
            assert!(said.contains(expected), "{expected} is not in:\n{said}");
        }
    }

    #[test]
    fn where_nothing_is_busy_that_is_said() {
        let (_, mut now, _) = made_up();
        assert_eq!(busy(&now)[0], "busy: cores 43.5%, workers 43.5%");
        now.row.finding.usage = Usages::default();
        assert_eq!(busy(&now)[0], "busy: nothing");
    }

    #[test]
    fn workers_that_come_with_more_cores_are_said() {
        let (_, now, mut tried) = made_up();
        tried[0].change = Change::Cores(4);
        assert_eq!(in_words(&tried[0], &now), "cores = 4");
        tried[0].performance.capacity.workers = now.capacity.workers + 4;
        assert_eq!(in_words(&tried[0], &now), "cores = 4 (7 workers)");
    }

    #[test]
    fn where_nothing_helps_that_is_said() {
        let (study, now, mut tried) = made_up();
        tried.iter_mut().for_each(|each| each.performance = now.clone());
        let nothing = ["Nothing that was tried on this machine helps."];
        assert_eq!(advice(&study, &now, &tried), nothing);
        assert_eq!(commands(&study, &now, &tried), None);
    }

    #[test]
    fn the_parts_of_the_time_add_up_to_all_of_it() {
        let (_, now, _) = made_up();
        let table = times(&now.row.finding).unwrap();
        let last = table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["in", "all", "42.5", "ms", "100%", "106", "ms", "100%"]);
    }

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let (study, now, tried) = made_up();
        // A command to be copied is in one line, however long.
        let text = text(&study, &now, &tried, false);
        for line in text.lines().filter(|line| !line.starts_with("  tonnage ")) {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }
}
