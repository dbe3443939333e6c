//! One plan with one server at one tier: how it performs, and how it would after each change that
//! is tested.

use crate::experiment::advice::Change;
use crate::experiment::answer::{
    Answers, Capacity, Combination, Finding, Objective, Row, Study, Threshold, Tier,
};
use crate::stats::estimate::Estimate;

/// `study` reduced to these combinations at this tier.
pub fn narrowed(study: &Study, combinations: Vec<Combination>, tier: &Tier) -> Study {
    let at_tier = |each| Combination { tiers: vec![tier.clone()], ..each };
    Study { combinations: combinations.into_iter().map(at_tier).collect(), ..study.clone() }
}

/// How a plan with a server performs at a tier.
#[derive(Debug, Clone)]
pub struct Performance {
    /// At the tier's rate.
    pub row: Row,
    /// Where it gives way.
    pub capacity: Capacity,
}

impl Performance {
    /// The results of a narrowed study, in the order of its combinations.
    pub fn all(answers: Answers) -> Vec<Performance> {
        let both = answers.rows.into_iter().zip(answers.capacities);
        both.map(|(row, capacity)| Performance { row, capacity }).collect()
    }

    /// Requests a second that it carries: its load line or, without an objective, its saturation
    /// point; infinite where nothing limits it. `None` where that was not searched for.
    pub fn carries(&self) -> Option<f64> {
        match self.capacity.carries() {
            Threshold::At { rate, .. } => Some(rate.get()),
            Threshold::AtRest => Some(0.0),
            Threshold::Never => Some(f64::INFINITY),
            Threshold::NotSearched => None,
        }
    }
}

/// A change that was tested.
#[derive(Debug, Clone)]
pub struct TestedChange {
    /// What was changed.
    pub change: Change,
    /// The command that explains the site with this change, word by word.
    pub command: Vec<String>,
    /// How the site performs with it, under the same requests.
    pub performance: Performance,
}

/// The effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It carries more, loses less, or is quicker.
    Better,
    /// No difference that the simulation could show.
    None,
    /// It carries less, loses more, or is slower.
    Worse,
}

/// Load lines within this share of each other count as the same, since each is precise to a step of
/// the search, 1 %, or two. So do times: the difference is too small to notice.
const NOTICEABLE: f64 = 0.03;

impl TestedChange {
    /// The effect of the change, compared with `before`: on the rate that is carried, if both were
    /// searched for and differ; else on the error rate, if that is more than `objective` allows;
    /// else on p95. Error rates and p95 differ if their intervals do not overlap.
    pub fn effect(&self, before: &Performance, objective: &Objective) -> Effect {
        let by_rate =
            before.carries().zip(self.performance.carries()).map_or(Effect::None, by_rate);
        let (before, after) = (&before.row.finding, &self.performance.row.finding);
        let at_the_tier = || match (before.lacks_p95(), after.lacks_p95()) {
            (true, true) => Effect::None,
            (true, false) => Effect::Better,
            (false, true) => Effect::Worse,
            (false, false) => by_answers(before, after, objective),
        };
        if by_rate == Effect::None { at_the_tier() } else { by_rate }
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

/// The effect on the error rate or, if that is the same or low enough, on p95. (p95 is that of the
/// answered requests: the more are refused, the quicker the others are.)
fn by_answers(before: &Finding, after: &Finding, objective: &Objective) -> Effect {
    let most = objective.allowed_errors();
    let [failed, fails] = [before, after].map(|finding| finding.error_rate);
    let counts = failed.mean > most || fails.mean > most;
    let by_errors = if counts { by_less(&failed, &fails) } else { Effect::None };
    let by_p95 = || before.p95.zip(after.p95).map_or(Effect::None, |(b, a)| by_less(&b, &a));
    // Where most requests fail, p95 is that of a few.
    let few = failed.mean.max(fails.mean) > 0.5;
    if by_errors == Effect::None && !few { by_p95() } else { by_errors }
}

/// The effect on a quantity of which less is better; none if its intervals overlap.
fn by_less(before: &Estimate, after: &Estimate) -> Effect {
    let apart = before.interval().zip(after.interval());
    let apart = apart.is_some_and(|((low, high), (least, most))| most < low || least > high);
    // Swapped, since of rates more is better.
    if apart { by_rate((after.mean, before.mean)) } else { Effect::None }
}

/// The first of `ranked` changes that makes the site better than `now`: of those that take another
/// `machine`, or of those that do not.
pub fn best<'a>(
    study: &Study,
    now: &Performance,
    ranked: &'a [TestedChange],
    machine: bool,
) -> Option<&'a TestedChange> {
    let helps = |it: &&TestedChange| it.effect(now, &study.objective) == Effect::Better;
    ranked.iter().filter(|it| it.change.takes_a_machine() == machine).find(helps)
}

/// The tested changes, the most helpful first: by the rate that is carried; among equals by the
/// errors beyond those that `objective` allows, and then by p95.
pub fn ranked(mut tried: Vec<TestedChange>, objective: &Objective) -> Vec<TestedChange> {
    let steady_value = |it: &TestedChange, of: &dyn Fn(&Finding) -> Option<f64>| {
        let finding = Some(&it.performance.row.finding).filter(|finding| !finding.lacks_p95());
        finding.and_then(of).unwrap_or(f64::INFINITY)
    };
    let most = objective.allowed_errors();
    let beyond =
        |it: &TestedChange| steady_value(it, &|it| Some((it.error_rate.mean - most).max(0.0)));
    let p95 = |it: &TestedChange| steady_value(it, &|it| it.p95.map(|p95| p95.mean));
    let carries = |it: &TestedChange| it.performance.carries().unwrap_or(0.0);
    tried.sort_by(|a, b| {
        let by_rate = carries(b).total_cmp(&carries(a));
        by_rate.then(beyond(a).total_cmp(&beyond(b))).then(p95(a).total_cmp(&p95(b)))
    });
    tried
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::answer::{Accuracy, Effort, Visits};
    use crate::experiment::sites::{combination, mm1};
    use crate::experiment::sweep;
    use crate::experiment::trial::{Crew, Watch};
    use crate::seed::Seed;
    use crate::units::{Fraction, PerSecond};

    /// A queue with `carries` as its saturation point, and `p95` in each replication.
    fn performance(carries: f64, p95: &[f64]) -> Performance {
        let rate = PerSecond::new(1.0);
        let tier = Tier { name: "one".into(), rate, conversion: None };
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
        let study = narrowed(&study, vec![combination(mm1(1.0, 10.0))], &tier);
        let answers = sweep::run(&study, false, &Crew::new(1).unwrap(), &watch);
        let mut performance = Performance::all(answers).remove(0);
        let (rate, beyond) = (PerSecond::new(carries), PerSecond::new(1.01 * carries));
        performance.capacity.saturation =
            Threshold::At { rate, beyond, accuracy: Accuracy::Resolution };
        performance.row.finding.p95 = Estimate::of(p95);
        performance
    }

    fn tried(cores: u32, performance: Performance) -> TestedChange {
        TestedChange { change: Change::Cores(cores), command: Vec::new(), performance }
    }

    const ANY: Objective = Objective { p95: None, errors: None };

    #[test]
    fn times_whose_intervals_overlap_are_not_told_apart() {
        let effect = |before: &[f64], after: &[f64]| {
            tried(2, performance(10.0, after)).effect(&performance(10.0, before), &ANY)
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
                tried(1, performance(slow, &[0.3, 0.3])),
                tried(2, performance(quick, &[0.2, 0.2])),
                tried(3, performance(9.0, &[0.1, 0.1])),
            ];
            ranked(all, &ANY).into_iter().map(|it| it.change).collect::<Vec<_>>()
        };
        assert_eq!(order(10.0, 10.0), [2, 1, 3].map(Change::Cores));
        assert_eq!(order(11.0, 10.0), [1, 2, 3].map(Change::Cores));
    }

    /// A queue that carries 10 a second, with `p95` and `errors` in each replication.
    fn failing(p95: &[f64], errors: &[f64]) -> Performance {
        let mut performance = performance(10.0, p95);
        performance.row.finding.error_rate = Estimate::of(errors).unwrap();
        performance
    }

    const SLOW: &[f64] = &[0.9, 0.91];
    const QUICK: &[f64] = &[0.5, 0.51];
    /// Connections that were refused: a fifth, or hardly one.
    const MANY: &[f64] = &[0.21, 0.211];
    const FEW: &[f64] = &[0.0001, 0.0002];

    #[test]
    fn what_fails_beyond_what_may_counts_before_times() {
        let effect = |before: (&[f64], &[f64]), after: (&[f64], &[f64]), most: Option<f64>| {
            let objective = Objective { p95: None, errors: most.map(Fraction::new) };
            let before = failing(before.0, before.1);
            tried(2, failing(after.0, after.1)).effect(&before, &objective)
        };
        assert_eq!(effect((SLOW, MANY), (SLOW, FEW), None), Effect::Better);
        assert_eq!(effect((QUICK, MANY), (SLOW, FEW), None), Effect::Better);
        assert_eq!(effect((SLOW, FEW), (QUICK, MANY), None), Effect::Worse);
        // What may fail does not count, and what chance made of as many does not either.
        assert_eq!(effect((SLOW, FEW), (QUICK, &[0.003, 0.0031]), None), Effect::Better);
        assert_eq!(effect((SLOW, FEW), (QUICK, &[0.003, 0.0031]), Some(0.001)), Effect::Worse);
        assert_eq!(effect((SLOW, MANY), (QUICK, &[0.2, 0.24]), None), Effect::Better);
    }

    #[test]
    fn of_two_that_carry_the_same_the_one_that_loses_less_is_first() {
        let all = vec![
            tried(1, failing(QUICK, MANY)),
            tried(2, failing(SLOW, FEW)),
            tried(3, failing(QUICK, &[0.003, 0.0031])),
        ];
        let order = |most| {
            let objective = Objective { p95: None, errors: Some(Fraction::new(most)) };
            ranked(all.clone(), &objective).into_iter().map(|it| it.change).collect::<Vec<_>>()
        };
        // Where 1 % may fail, less than that is as good as nothing.
        assert_eq!(order(0.01), [3, 2, 1].map(Change::Cores));
        assert_eq!(order(0.001), [2, 3, 1].map(Change::Cores));
    }
}
