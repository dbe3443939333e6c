//! The sections about load and effort: `[traffic]`, `[[tier]]` and `[run]`.

use super::document::{Node, Value};
use super::file::{Named, name, named};
use super::problem::{Place, Problem};
use super::quantity::{
    FASTEST_PER_SECOND, count, number, per_day, rate, share, span, span_above_zero,
};
use super::section::Section;
use crate::experiment::answer::{Effort, Visits};
use crate::units::PerSecond;

/// `[traffic]`, and the same keys of a tier.
#[derive(Debug, Default, Clone)]
pub(super) struct TrafficFile {
    pub(super) requests_per_visit: Option<f64>,
    pub(super) peak: Option<f64>,
    /// Where these keys are written.
    pub(super) places: Vec<(&'static str, Place)>,
}

impl TrafficFile {
    /// How visitors convert to requests; `otherwise` gives what is not said here.
    pub(super) fn visits(&self, otherwise: Visits) -> Visits {
        Visits {
            requests: self.requests_per_visit.unwrap_or(otherwise.requests),
            peak: self.peak.unwrap_or(otherwise.peak),
        }
    }
}

/// A `[[tier]]`.
#[derive(Debug)]
pub(super) struct TierFile {
    pub(super) name: Option<Named>,
    pub(super) load: Option<Load>,
    pub(super) traffic: TrafficFile,
    pub(super) plans: Option<Vec<Named>>,
    pub(super) servers: Option<Vec<Named>>,
}

/// How much traffic comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Load {
    Rate(PerSecond),
    /// Visitors a day.
    Visitors(f64),
}

pub(super) fn traffic(section: &Section<'_>) -> TrafficFile {
    let places = ["requests_per_visit", "peak"]
        .into_iter()
        .filter_map(|key| section.entry(key).map(|entry| (key, entry.place.clone())))
        .collect();
    TrafficFile {
        requests_per_visit: section.read("requests_per_visit", number(0.01, 1e6, false)),
        peak: section.read("peak", number(1.0, 1e3, false)),
        places,
    }
}

pub(super) fn tier(section: &Section<'_>) -> TierFile {
    let tier = TierFile {
        name: name(section),
        load: load(section),
        traffic: traffic(section),
        plans: section.read("plans", names),
        servers: section.read("servers", names),
    };
    if !section.has("visitors") {
        for (key, _) in &tier.traffic.places {
            section.refuse(key, "only `visitors` are converted", "remove it, or write visitors");
        }
    }
    tier
}

fn load(section: &Section<'_>) -> Option<Load> {
    let fixed = section.read("rate", rate).map(Load::Rate);
    let visitors = section.read("visitors", per_day).map(Load::Visitors);
    match (section.has("rate"), section.has("visitors")) {
        (true, true) => {
            let way = "remove one of them";
            section.refuse("visitors", "`rate` says how much comes", way);
        }
        (false, false) => {
            let way = "say how much comes: rate = \"40/s\", or visitors = \"10k/day\"";
            section.lack("rate", "has neither `rate` nor `visitors`", way);
        }
        _ => {}
    }
    fixed.or(visitors)
}

fn names(node: &Node) -> Result<Vec<Named>, Problem> {
    let way = "write a list of names, as in [\"2GB\", \"4GB\"], or leave it out for all of them";
    match &node.value {
        Value::List(items) if !items.is_empty() => items.iter().map(named).collect(),
        _ => Err(node.problem(format!("expected names, found {}", node.quoted()), way)),
    }
}

/// `[run]`: a precision, or a fixed effort.
pub(super) fn effort(section: &Section<'_>) -> Option<Effort> {
    let precision = section.read("precision", |node| {
        let precision = share(node)?;
        if precision.get() > 0.0 && precision.get() <= 0.5 {
            return Ok(precision);
        }
        Err(node.problem("a precision lies above 0% and up to 50%", "write \"5%\""))
    });
    let fixed = ["replications", "warmup", "measure"];
    if section.has("precision") {
        for key in fixed {
            let why = "`precision` says how much to simulate";
            section.refuse(key, why, "remove it, or remove `precision`");
        }
    }
    let any = fixed.into_iter().any(|key| section.has(key));
    let replications = section.read("replications", count(1, 100_000));
    let warmup = section.read("warmup", span);
    let measured = section.read("measure", span_above_zero);
    if section.has("precision") || !any {
        return precision.map(Effort::Precision);
    }
    for key in fixed.into_iter().filter(|key| !section.has(key)) {
        let title = format!("has no `{key}`, and a fixed effort needs it");
        let way = "write replications = 30, warmup = \"60s\" and measure = \"600s\", or \
            precision = \"5%\" alone";
        section.lack(key, &title, way);
    }
    Some(Effort::Fixed { replications: replications?, warmup: warmup?, measured: measured? })
}

impl TierFile {
    /// Whether this tier is for that plan and server.
    pub(super) fn meets(&self, plan: &str, server: &str) -> bool {
        let named = |names: &Option<Vec<Named>>, name: &str| {
            names.as_ref().is_none_or(|names| names.iter().any(|each| each.text == name))
        };
        named(&self.plans, plan) && named(&self.servers, server)
    }

    /// Whether its rate comes from visitors a day.
    pub(super) fn is_converted(&self) -> bool {
        matches!(self.load, Some(Load::Visitors(_)))
    }

    /// Its rate, and how it came from visitors, in words.
    pub(super) fn rate(&self, traffic: &TrafficFile) -> Option<(PerSecond, Option<String>)> {
        let visitors = match self.load? {
            Load::Rate(rate) => return Some((rate, None)),
            Load::Visitors(visitors) => visitors,
        };
        let visits = self.traffic.visits(traffic.visits(Visits::ASSUMED));
        let rate = visits.rate(visitors);
        if rate <= 0.0 || rate > FASTEST_PER_SECOND {
            return None;
        }
        let rate = PerSecond::new(rate);
        let visitors = short(visitors);
        let Visits { requests, peak } = visits;
        let words = format!("{visitors}/day x {requests} requests x peak {peak} / 86400 = {rate}");
        Some((rate, Some(words)))
    }
}

/// A count with k or M where that is exact to three places.
fn short(count: f64) -> String {
    let (value, unit) = match count {
        _ if count >= 1e6 => (count / 1e6, "M"),
        _ if count >= 1e3 => (count / 1e3, "k"),
        _ => (count, ""),
    };
    if (value * 1e3).fract().abs() < 1e-9 { format!("{value}{unit}") } else { format!("{count}") }
}
