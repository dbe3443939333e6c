//! One plan with one server at one tier, looked at closely: what it does, and what each change that
//! was tried makes of it.

use crate::experiment::advice::Change;
use crate::experiment::answer::{
    Answers, Capacity, Combination, Finding, Row, Study, Threshold, Tier,
};

/// `study` of these combinations at this tier alone.
pub fn narrowed(study: &Study, combinations: Vec<Combination>, tier: &Tier) -> Study {
    let at_tier = |each| Combination { tiers: vec![tier.clone()], ..each };
    Study { combinations: combinations.into_iter().map(at_tier).collect(), ..study.clone() }
}

/// What a plan with a server does at a tier.
#[derive(Debug, Clone)]
pub struct Standing {
    /// At the tier's rate.
    pub row: Row,
    /// Where it gives way.
    pub capacity: Capacity,
}

impl Standing {
    /// The results of a narrowed study, in the order of its combinations.
    pub fn all(answers: Answers) -> Vec<Standing> {
        let both = answers.rows.into_iter().zip(answers.capacities);
        both.map(|(row, capacity)| Standing { row, capacity }).collect()
    }

    /// Requests a second that it carries: its load line or, without an objective, its saturation
    /// point; infinite where nothing limits it. `None` where that was not looked for.
    pub fn carries(&self) -> Option<f64> {
        match self.capacity.carries() {
            Threshold::At { rate, .. } => Some(rate.get()),
            Threshold::AtRest => Some(0.0),
            Threshold::Never => Some(f64::INFINITY),
            Threshold::NotSearched => None,
        }
    }
}

/// A change that was tried.
#[derive(Debug, Clone)]
pub struct Tried {
    /// What was changed.
    pub change: Change,
    /// The same as what is to be typed: `--set` arguments, or another plan's or server's name.
    pub arguments: Vec<String>,
    /// What came of it. It faced the same requests.
    pub standing: Standing,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It carries more, or is quicker.
    Better,
    /// No difference that the simulation could tell.
    None,
    /// It carries less, or is slower.
    Worse,
}

/// Load lines closer to each other than this are the same: either is good to a step of the search,
/// 1 %, or two. So are times: nobody would see it.
const NOTICEABLE: f64 = 0.03;

impl Tried {
    /// What the change does to how it was `before`: to the rate that is carried, where both were
    /// looked for and differ, else to p95, as far as its intervals can tell.
    pub fn effect(&self, before: &Standing) -> Effect {
        let by_rate = before.carries().zip(self.standing.carries()).map_or(Effect::None, by_rate);
        if by_rate == Effect::None { self.by_p95(before) } else { by_rate }
    }

    fn by_p95(&self, before: &Standing) -> Effect {
        let (before, after) = (&before.row.finding, &self.standing.row.finding);
        match (before.is_overrun(), after.is_overrun()) {
            (true, true) => return Effect::None,
            (true, false) => return Effect::Better,
            (false, true) => return Effect::Worse,
            (false, false) => {}
        }
        let interval = |finding: &Finding| finding.p95.and_then(|p95| p95.interval());
        let mean = |finding: &Finding| finding.p95.map(|p95| p95.mean);
        let apart = interval(before).zip(interval(after));
        let apart = apart.is_some_and(|((low, high), (least, most))| most < low || least > high);
        let means = mean(before).zip(mean(after)).filter(|_| apart);
        // Less is better of times, as more is of rates.
        means.map_or(Effect::None, |(before, after)| by_rate((after, before)))
    }
}

fn by_rate((before, after): (f64, f64)) -> Effect {
    if after > before * (1.0 + NOTICEABLE) {
        Effect::Better
    } else if after < before * (1.0 - NOTICEABLE) {
        Effect::Worse
    } else {
        Effect::None
    }
}

/// Those that were tried, what helps most first: by the rate that is carried and, among equals, by
/// p95.
pub fn ranked(mut tried: Vec<Tried>) -> Vec<Tried> {
    let p95 = |it: &Tried| {
        let finding = &it.standing.row.finding;
        finding.p95.filter(|_| !finding.is_overrun()).map_or(f64::INFINITY, |p95| p95.mean)
    };
    let carries = |it: &Tried| it.standing.carries().unwrap_or(0.0);
    tried.sort_by(|a, b| carries(b).total_cmp(&carries(a)).then(p95(a).total_cmp(&p95(b))));
    tried
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::answer::{Accuracy, Effort, Objective, Visits};
    use crate::experiment::sites::mm1;
    use crate::experiment::sweep;
    use crate::experiment::trial::{Crew, Watch};
    use crate::outcome::Budget;
    use crate::seed::Seed;
    use crate::stats::estimate::Estimate;
    use crate::units::{Fraction, PerSecond};

    /// A queue that carries so much, and whose p95 came out so in each replication.
    fn standing(carries: f64, p95: &[f64]) -> Standing {
        let rate = PerSecond::new(1.0);
        let tier = Tier { name: "one".into(), rate, conversion: None };
        let (plan, server) = ("plan".to_owned(), "server".to_owned());
        let budget = Budget { lines: Vec::new(), ceiling: None };
        let site = mm1(1.0, 10.0);
        let tiers = vec![tier.clone()];
        let combination = Combination { plan, server, price: None, site, budget, tiers };
        let study = Study {
            title: "test".into(),
            seed: Seed::new(1),
            objective: Objective::default(),
            effort: Effort::Precision(Fraction::new(0.2)),
            visits: Visits::ASSUMED,
            combinations: Vec::new(),
        };
        let cancel = AtomicBool::new(false);
        let watch = Watch::new(&cancel, &|_| ());
        let study = narrowed(&study, vec![combination], &tier);
        let answers = sweep::run(&study, false, &Crew::new(1).unwrap(), &watch);
        let mut standing = Standing::all(answers).remove(0);
        let (rate, beyond) = (PerSecond::new(carries), PerSecond::new(1.01 * carries));
        standing.capacity.saturation =
            Threshold::At { rate, beyond, accuracy: Accuracy::Resolution };
        standing.row.finding.p95 = Estimate::of(p95);
        standing
    }

    fn tried(cores: u32, standing: Standing) -> Tried {
        Tried { change: Change::Cores(cores), arguments: Vec::new(), standing }
    }

    #[test]
    fn times_whose_intervals_overlap_are_not_told_apart() {
        let effect = |before: &[f64], after: &[f64]| {
            tried(2, standing(10.0, after)).effect(&standing(10.0, before))
        };
        // A tenth apart, known to +-25 % or to +-2.5 %.
        assert_eq!(effect(&[0.9, 1.0, 1.1], &[1.0, 1.1, 1.2]), Effect::None);
        assert_eq!(effect(&[0.99, 1.0, 1.01], &[1.09, 1.1, 1.11]), Effect::Worse);
        assert_eq!(effect(&[1.09, 1.1, 1.11], &[0.99, 1.0, 1.01]), Effect::Better);
    }

    #[test]
    fn of_two_that_carry_the_same_the_quicker_is_first() {
        let order = |slow: f64, quick: f64| {
            let all = vec![
                tried(1, standing(slow, &[0.3, 0.3])),
                tried(2, standing(quick, &[0.2, 0.2])),
                tried(3, standing(9.0, &[0.1, 0.1])),
            ];
            ranked(all).into_iter().map(|it| it.change).collect::<Vec<_>>()
        };
        assert_eq!(order(10.0, 10.0), [2, 1, 3].map(Change::Cores));
        assert_eq!(order(11.0, 10.0), [1, 2, 3].map(Change::Cores));
    }
}
