//! A change that is worth trying, in a scenario's words: the `--set` arguments that make it.

use crate::experiment::advice::Change;
use crate::experiment::answer::Combination;
use crate::site::{Connections, Hold, WorkerKind};

/// The round trip to a database on a machine of its own: within a zone, 0.2 to 1 ms (reference
/// section 6.4, unverified there).
const ROUND_TRIP: &str = "0.5ms";

/// The `--set` arguments that make `change` to `combination`; none if the change is to another plan
/// or server of the scenario.
pub fn arguments(change: &Change, combination: &Combination) -> Vec<String> {
    let plan = |rest: String| format!("plan.{}.{rest}", quoted(&combination.plan));
    let server = |rest: String| format!("server.{}.{rest}", quoted(&combination.server));
    match change {
        Change::Workers(count) => vec![server(format!("workers={count}"))],
        Change::Threads(count) => vec![server(format!("threads={count}"))],
        Change::WithThreads(count) => {
            vec![server("kind=threads".to_owned()), server(format!("threads={count}"))]
        }
        Change::Connect(connections) => {
            vec![server(format!("connections={}", written(connections, combination)))]
        }
        Change::MaxConnections(count) => vec![format!("database.max_connections={count}")],
        Change::OwnDatabase(cores, memory) => {
            let host = format!("cores = {cores}, memory = \"{memory}\"");
            vec![format!("database.host={{ {host}, round_trip = \"{ROUND_TRIP}\" }}")]
        }
        Change::Cores(count) => vec![plan(format!("cores={count}"))],
        Change::CoresAndWorkers(cores, workers) => {
            vec![plan(format!("cores={cores}")), server(format!("workers={workers}"))]
        }
        Change::Memory(bytes) => vec![plan(format!("memory={bytes}"))],
        Change::DatabaseCores(count) => vec![format!("database.host.cores={count}")],
        Change::DatabaseMemory(bytes) => vec![format!("database.host.memory={bytes}")],
        Change::Server(_) | Change::Plan(_) => Vec::new(),
    }
}

/// The `--set` argument that makes the tier of this name one of `changed` as well; `None` if it is
/// one already. (The file may have it for other plans or servers only.)
pub fn tier_for(tier: &str, changed: &Combination, now: &Combination) -> Option<String> {
    let (key, name) = match changed.plan == now.plan {
        true => ("servers", &changed.server),
        false => ("plans", &changed.plan),
    };
    let names = toml::Value::Array(vec![toml::Value::String(name.clone())]);
    let is_there = changed.tiers.iter().any(|it| it.name == tier);
    (!is_there).then(|| format!("tier.{}.{key}={names}", quoted(tier)))
}

/// The connections, as a scenario has them.
fn written(connections: &Connections, combination: &Combination) -> String {
    let Connections { keep, limit, timeout, hold } = connections;
    let Some(limit) = limit else {
        let is_kept =
            *keep > 0 && !matches!(combination.site.server.kind, WorkerKind::Async { .. });
        return if is_kept { "persistent" } else { "per-request" }.to_owned();
    };
    let mut parts = vec![format!("pool = {keep}")];
    parts.extend((limit > keep).then(|| format!("overflow = {}", limit - keep)));
    parts.extend(timeout.map(|timeout| format!("timeout = \"{timeout}\"")));
    parts.extend((*hold == Hold::Request).then(|| "hold = \"request\"".to_owned()));
    format!("{{ {} }}", parts.join(", "))
}

/// A name as part of a key: bare, or quoted as TOML quotes keys. (It quotes texts in more ways,
/// which no key allows.)
fn quoted(name: &str) -> String {
    let line = toml::Table::from_iter([(name.to_owned(), toml::Value::Boolean(true))]).to_string();
    line.trim_end().trim_end_matches(" = true").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Text;
    use crate::units::Bytes;

    /// A scenario whose names need quotes.
    const NAMES: &str = r#"
stack = "bare"
[[plan]]
name = "2.5 GB"
cores = 1
memory = "2GB"
[[server]]
name = "the \"old\" one"
kind = "threads"
workers = 2
threads = 4
connections = "per-request"
[[endpoint]]
name = "page"
steps = [{ compute = "5ms" }, { query = "3ms" }]
[[tier]]
name = "usual"
rate = "10/s"
"#;

    fn combination(sets: &[String]) -> Combination {
        combination_of(NAMES, sets)
    }

    fn combination_of(text: &str, sets: &[String]) -> Combination {
        let text = Text { name: "names".to_owned(), text: text.to_owned(), folder: None };
        text.scenario(sets).unwrap().study.combinations.swap_remove(0)
    }

    #[test]
    fn whatever_the_name_the_arguments_find_it() {
        for name in ["it's \"q\"", "s.1 \"small\" ü日本", "a\\", "'", "\"\"\"", "a b"] {
            let written = toml::Value::String(name.to_owned()).to_string();
            let text = NAMES.replace("\"2.5 GB\"", &written);
            let before = combination_of(&text, &[]);
            assert_eq!(before.plan, name);
            let sets = arguments(&Change::Cores(3), &before);
            assert_eq!(combination_of(&text, &sets).site.host.cores, 3, "{sets:?}");
        }
    }

    #[test]
    fn the_arguments_of_each_change_make_it() {
        let before = combination(&[]);
        let made = |change: &Change| combination(&arguments(change, &before)).site;
        assert_eq!(made(&Change::Workers(7)).server.workers, 7);
        let kind = made(&Change::Threads(9)).server.kind;
        assert!(matches!(kind, WorkerKind::Threads { threads: 9, .. }), "{kind:?}");
        assert_eq!(made(&Change::Cores(3)).host.cores, 3);
        let both = made(&Change::CoresAndWorkers(4, 6));
        assert_eq!((both.host.cores, both.server.workers), (4, 6));
        assert_eq!(
            made(&Change::Memory(Bytes::from_mib(5000))).host.memory.unwrap().get() >> 20,
            5000
        );
        assert_eq!(made(&Change::MaxConnections(50)).database.connection_slots, Some(47));
        let own = made(&Change::OwnDatabase(2, Bytes::from_mib(4096))).database.host.unwrap();
        assert_eq!((own.cores, own.memory), (2, Some(Bytes::from_mib(4096))));
        let sets = [
            arguments(&Change::OwnDatabase(2, Bytes::from_mib(4096)), &before),
            arguments(&Change::DatabaseCores(5), &before),
            arguments(&Change::DatabaseMemory(Bytes::from_mib(600)), &before),
        ];
        let more = combination(&sets.concat()).site.database.host.unwrap();
        assert_eq!((more.cores, more.memory), (5, Some(Bytes::from_mib(600))));
        let now = before.site.server.connections;
        for wanted in [
            Connections { keep: 4, hold: now.hold, limit: None, timeout: None },
            Connections { keep: 9, limit: Some(12), timeout: None, hold: Hold::Request },
            Connections { keep: 9, limit: Some(9), timeout: None, hold: Hold::Query },
        ] {
            assert_eq!(made(&Change::Connect(wanted)).server.connections, wanted);
        }
    }

    #[test]
    fn a_tier_that_the_file_has_for_others_is_there_with_the_argument_for_it() {
        let other =
            "[[server]]\nname = \"it's \\\"new\\\"\"\nkind = \"sync\"\nworkers = 2\n[[endpoint]]";
        let text = NAMES.replacen("[[endpoint]]", other, 1);
        let text = text.replace("\"usual\"", "\"a b\"\nservers = ['the \"old\" one']");
        let text = Text { name: "names".to_owned(), text, folder: None };
        let both = |sets: &[String]| text.scenario(sets).unwrap().study.combinations;
        let [now, changed]: [Combination; 2] = both(&[]).try_into().unwrap();
        assert_eq!(tier_for("a b", &now, &now), None);
        let set = tier_for("a b", &changed, &now).unwrap();
        let tiers: Vec<usize> = both(&[set]).iter().map(|each| each.tiers.len()).collect();
        assert_eq!((changed.tiers.len(), tiers), (0, vec![0, 1]));
    }
}
