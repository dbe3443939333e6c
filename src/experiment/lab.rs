//! Decides how much to simulate: one plan with one server, at whatever rates are asked for.

use std::collections::BTreeMap;

use crate::experiment::answer::{Combination, Effort, Finding, Objective};
use crate::experiment::demand::{longest_stay, mean_stay};
use crate::experiment::finding::{LOSS, Sample, meets};
use crate::experiment::search::Verdict;
use crate::experiment::summary::Summary;
use crate::experiment::trial::{Crew, Purpose, Watch, replicate};
use crate::seed::Seed;
use crate::site::{Arrivals, Horizon, Site};
use crate::stats::estimate::Estimate;
use crate::units::{PerSecond, Span};

/// Replications to begin with: enough for an interval that is not mostly Student's t (at 8 it is
/// 2.4 standard errors, at infinity 2.0), and a whole number for 2, 4 or 8 threads.
pub(crate) const REPLICATIONS: u32 = 8;

/// The first window is at least this many times as long as a request of the slowest kind takes
/// that is met on its way; the warm-up thus spans five of them.
const FIRST_WINDOW_IN_STAYS: f64 = 20.0;

/// The longest window of a site whose workers do not fit in memory. Its crash loop repeats every
/// few seconds, and its events come by the clock, however few arrive.
const CRASH_LOOP: Span = Span::from_whole_secs(600);

/// The warm-up, as a share of the window: see [`Sample::settled`] for what it is good for.
const WARMUP: f64 = 0.25;

/// By how much a window that was too short is lengthened.
const LENGTHEN: f64 = 4.0;

/// By how much the number of replications grows at most before another look: what is known of
/// the noise from a few of them is itself noisy.
const MORE: f64 = 4.0;

/// How long a run may go on after its window: longer than every timeout a site has (Nginx gives
/// up after 60 s, TCP after 33 s).
const DRAIN: Span = Span::from_whole_secs(120);

/// At most so many requests inside a run: 100,000 of them take some 50 MB.
pub(crate) const IN_FLIGHT: u32 = 100_000;

/// A run of which so many times the expected arrivals came is ended: what drains so slowly after
/// its window is overloaded.
const OVERTIME: f64 = 8.0;

/// At most so many arrivals for a finding with fixed effort, all replications together: some
/// minutes of work.
const FIXED_ARRIVALS: u64 = 200_000_000;

/// How much is simulated for a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Arrivals in the first window, at least.
    pub first: f64,
    /// Arrivals in all windows of all replications, at most.
    pub most: u64,
}

impl Bound {
    /// For a row of the results: p95 to 5 % takes about half a million at 90 % of a single server's
    /// capacity. Closer to saturation it would take millions, for a figure that is of no use there:
    /// such a row says that it is less precise. The first windows give p95 of an exponential
    /// response to 3 %, so that a site at ease is done at once.
    pub(crate) const ROW: Bound = Bound { first: 2_000.0, most: 1_000_000 };
    /// For a verdict on what is sustained: eight windows of 8,000, and a quarter more for the luck
    /// of the draw. They place the saturation point to about 1 %.
    pub(crate) const SUSTAINS: Bound = Bound { first: 2_000.0, most: 80_000 };
    /// For a second opinion on what is sustained: in windows of 5,000, a crowd that grows by 3 %
    /// of the arrivals is seen to, and by 2 % more often than not.
    pub(crate) const CONFIRMS: Bound = Bound { first: 2_000.0, most: 40_000 };
    /// For a verdict on the objective: p95 is noisier than throughput.
    pub(crate) const MEETS: Bound = Bound { first: 2_000.0, most: 100_000 };
    /// For a point of a curve.
    pub(crate) const CURVE: Bound = Bound { first: 500.0, most: 16_000 };
}

/// At most so many arrivals in a sample that is clearly not sustained: its errors tell more than
/// its p95.
const OVERLOADED: u64 = 160_000;

/// A steady crowd differs between the ends of a window by the root of 2 of its standard deviation;
/// of eight such differences the interval reaches 1.18 standard deviations up. For that to be
/// less than the growth of 0.5 % that counts there must be 236 times as many; a quarter more for luck.
const STEADY: f64 = 300.0;

/// A window of n arrivals at M/M/1 holds n (1 - load)² / (4 load) independent glimpses of the
/// crowd (the asymptotic variance of its mean, Whitt 1989); 32 times the inverse are eight, see
/// [`Sample::settled`], and half as many more for luck.
const FORGETFUL: f64 = 50.0;

/// A sample that is judged beside another has one in so many of its replications, and two at least:
/// where that one's p95 is known to half-width h, by how much p95 differs within a step or two is
/// known to less than h / 2, as nearly all of the noise is common.
const PAIRED: u32 = 4;

/// What is to be known, and so when enough is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// p95 to this share of itself.
    Precision(f64),
    /// Whether the rate is sustained.
    Sustains,
    /// Whether the objective is met; where that stays unclear, p95 to this share of itself.
    Meets(Objective, f64),
    /// What an overloaded site carries, to this share of it.
    Carried(f64),
}

/// One plan with one server, and what was simulated of it so far.
pub(crate) struct Lab<'a> {
    pub crew: &'a Crew,
    pub watch: &'a Watch<'a>,
    pub root: Seed,
    pub site: &'a Site,
    /// What is simulated at the moment.
    pub purpose: Purpose,
    /// The saturation point, once it is known: infinite where nothing saturates.
    pub full: Option<f64>,
    /// Whether its memory at rest fits.
    fits: bool,
    /// By the bits of the rate, which sort as the rates do.
    samples: BTreeMap<u64, Sample>,
    /// The same of fixed effort.
    fixed: BTreeMap<u64, Sample>,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(
        crew: &'a Crew,
        watch: &'a Watch<'a>,
        root: Seed,
        combination: &'a Combination,
    ) -> Lab<'a> {
        let (samples, fixed) = (BTreeMap::new(), BTreeMap::new());
        let (site, fits) = (&combination.site, combination.budget.fits());
        let (purpose, full) = (Purpose::Row, None);
        Lab { crew, watch, root, site, purpose, full, fits, samples, fixed }
    }

    /// Every rate explored so far, rising.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.values()
    }

    /// What was found at every rate simulated so far, rising, with the effort of the study. Of those
    /// that were only judged beside another, the load line alone: where it lies is what was asked.
    pub(crate) fn findings(&self, effort: Effort, load_line: Option<PerSecond>) -> Vec<Finding> {
        let counts = |it: &Sample| !it.is_paired() || load_line == Some(it.site.traffic.rate);
        let own = |(key, it): &(&u64, &Sample)| !self.fixed.contains_key(key) && counts(it);
        let explored = self.samples.iter().filter(own);
        let all: BTreeMap<_, _> = explored.chain(&self.fixed).collect();
        all.values().map(|sample| sample.finding(effort)).collect()
    }

    /// What happens at `rate`, with the effort of the study. `None` where the watch ended it.
    pub(crate) fn row(&mut self, rate: PerSecond, effort: Effort) -> Option<&Sample> {
        match effort {
            Effort::Precision(share) => {
                self.explore(rate, Goal::Precision(share.get()), Bound::ROW)
            }
            Effort::Fixed { replications, warmup, measured } => {
                let site = self.fixed(rate, replications, warmup, measured);
                let summaries = self.replicate(&site, (0, replications))?;
                let key = rate.get().to_bits();
                self.fixed.insert(key, Sample::new(site, summaries));
                self.fixed.get(&key)
            }
        }
    }

    /// What happens at `rate`, to the goal or the bound. What is known of the rate already is
    /// used and added to. `None` where the watch ended it.
    pub(crate) fn explore(&mut self, rate: PerSecond, goal: Goal, bound: Bound) -> Option<&Sample> {
        let key = rate.get().to_bits();
        let mut sample = match self.samples.remove(&key) {
            Some(sample) if !sample.is_paired() => sample,
            _ => self.first(rate, bound)?,
        };
        loop {
            let next = if self.fits { next(&sample, goal, bound) } else { Next::Enough };
            match next {
                Next::Enough => break,
                Next::Lengthen => sample = self.lengthened(&sample)?,
                Next::Replicate(to) => {
                    let more = self.replicate(&sample.site, (sample.replications(), to))?;
                    sample.summaries.extend(more);
                }
            }
        }
        Some(self.samples.entry(key).or_insert(sample))
    }

    /// What happens at `rate`, told from a few replications beside the same ones at `anchor`, a
    /// rate near by that was explored: they face the same requests, so that by how much p95 differs
    /// is known far better than p95 itself. `None` where the watch ended it.
    pub(crate) fn beside(&mut self, rate: PerSecond, anchor: PerSecond) -> Option<&Sample> {
        let known = self.samples.get(&anchor.get().to_bits()).expect("an anchor was explored");
        let stretch = anchor.get() / rate.get();
        let mut horizon = known.site.horizon;
        horizon.warmup = horizon.warmup.scaled(stretch);
        horizon.measured = horizon.measured.scaled(stretch);
        let site = at(self.site, rate, horizon);
        let few = known.replications().div_ceil(PAIRED).max(2);
        let summaries = self.replicate(&site, (0, few))?;
        let sample = Sample::beside(known, site, summaries);
        Some(self.samples.entry(rate.get().to_bits()).or_insert(sample))
    }

    fn first(&self, rate: PerSecond, bound: Bound) -> Option<Sample> {
        let window = self.window(rate, bound) / rate.get();
        let measured = window.max(FIRST_WINDOW_IN_STAYS * longest_stay(self.site));
        let measured = in_rounds(self.site, rate, Span::from_secs(measured));
        self.sample(rate, if self.fits { measured } else { measured.min(CRASH_LOOP) })
    }

    /// Arrivals in the first window at `rate`: where it is known how close to saturation that is,
    /// as many as it probably takes to settle, within the bound.
    fn window(&self, rate: PerSecond, bound: Bound) -> f64 {
        let Some(full) = self.full else { return bound.first };
        let load = (rate.get() / full).min(1.0 - f64::EPSILON);
        let queue = load / (1.0 - load).powi(2);
        let crowd = rate.get() * mean_stay(self.site) + queue;
        let settles = (STEADY * crowd.sqrt()).max(FORGETFUL * queue);
        let longest = bound.most as f64 / f64::from(REPLICATIONS);
        settles.min(longest).max(bound.first)
    }

    fn lengthened(&self, sample: &Sample) -> Option<Sample> {
        let (rate, measured) = (sample.site.traffic.rate, sample.site.horizon.measured);
        self.sample(rate, in_rounds(self.site, rate, measured.scaled(LENGTHEN)))
    }

    fn sample(&self, rate: PerSecond, measured: Span) -> Option<Sample> {
        let warmup = measured.scaled(WARMUP);
        let arrivals = rate.get() * (warmup + measured).as_secs();
        let site = at(
            self.site,
            rate,
            Horizon {
                warmup,
                measured,
                drain: DRAIN,
                in_flight_limit: IN_FLIGHT,
                arrivals_limit: (OVERTIME * arrivals + Bound::ROW.first) as u64,
            },
        );
        let summaries = self.replicate(&site, (0, REPLICATIONS))?;
        Some(Sample::new(site, summaries))
    }

    fn fixed(&self, rate: PerSecond, replications: u32, warmup: Span, measured: Span) -> Site {
        at(
            self.site,
            rate,
            Horizon {
                warmup,
                measured,
                drain: DRAIN,
                in_flight_limit: IN_FLIGHT,
                arrivals_limit: FIXED_ARRIVALS / u64::from(replications.max(1)),
            },
        )
    }

    pub(crate) fn replicate(&self, site: &Site, range: (u32, u32)) -> Option<Vec<Summary>> {
        let summaries = replicate(self.crew, self.watch, site, self.root, range)?;
        let events = summaries.iter().map(|summary| summary.events).sum();
        self.watch.spent(self.purpose, events);
        Some(summaries)
    }
}

/// `site` at another rate, for as long as `horizon` says.
pub(crate) fn at(site: &Site, rate: PerSecond, horizon: Horizon) -> Site {
    let mut site = site.clone();
    site.traffic.rate = rate;
    site.horizon = horizon;
    site
}

/// At least `span`; of recorded traffic at `rate` whole rounds, since a part of a recording is
/// other traffic than all of it, and p95 of parts is not that of the whole.
fn in_rounds(site: &Site, rate: PerSecond, span: Span) -> Span {
    let Arrivals::Recorded(trace) = &site.traffic.arrivals else { return span };
    let round = trace.kept() / rate.get();
    // A millionth of a round beyond a whole one is none: rates are fractions.
    let rounds = (span.as_secs() / round - 1e-6).ceil().max(1.0);
    Span::from_secs(rounds * round)
}

/// Whether the rate is sustained, as far as `sample` tells.
pub(crate) fn sustains(sample: &Sample) -> Verdict {
    let lost = sample.mean(Summary::error_rate);
    if sample.runs_away() || above(&lost, LOSS) {
        Verdict::Missed
    } else if sample.settled() && below(&lost, LOSS) {
        Verdict::Met
    } else {
        Verdict::Unclear { met: !sample.saturated() }
    }
}

/// Whether the objective is met, as far as `sample` tells. Waits begin at their shortest, in the
/// empty site, so a sample that is not settled may tell that p95 is too long, but not that it is
/// short enough.
pub(crate) fn meets_objective(sample: &Sample, objective: &Objective) -> Verdict {
    let sustained = sustains(sample);
    let p95 = objective.p95.map(|most| (sample.p95(), most.as_secs()));
    let errors = objective.errors.map(|most| (sample.mean(Summary::error_rate), most.get()));
    let slow = p95.is_some_and(|(p95, most)| p95.is_none_or(|p95| above(&p95, most)));
    let failing = errors.is_some_and(|(errors, most)| above(&errors, most));
    if sustained == Verdict::Missed || slow || failing {
        return Verdict::Missed;
    }
    let quick = p95.is_none_or(|(p95, most)| p95.is_some_and(|p95| below(&p95, most)));
    let sound = errors.is_none_or(|(errors, most)| below(&errors, most) && seen(sample, most));
    if sustained == Verdict::Met && quick && sound {
        return Verdict::Met;
    }
    let effort = Effort::Fixed { replications: 1, warmup: Span::ZERO, measured: Span::ZERO };
    Verdict::Unclear { met: meets(&sample.finding(effort), objective).unwrap_or(true) }
}

/// Whether so many arrived that failures at the rate `share` would have shown: none of n trials
/// failing leaves a failure rate of 3/n possible, at 95 %.
fn seen(sample: &Sample, share: f64) -> bool {
    share * sample.arrived() as f64 >= 3.0
}

/// Whether the whole interval lies above `limit`.
fn above(estimate: &Estimate, limit: f64) -> bool {
    estimate.interval().is_some_and(|(low, _)| low > limit)
}

/// Whether the whole interval lies at or below `limit`.
fn below(estimate: &Estimate, limit: f64) -> bool {
    estimate.interval().is_some_and(|(_, high)| high <= limit)
}

/// What to do next for a sample.
#[derive(Debug, PartialEq)]
enum Next {
    Enough,
    /// Begin again with longer windows: more replications of a window that is too short only
    /// make a wrong figure look certain.
    Lengthen,
    /// Go on to so many replications.
    Replicate(u32),
}

fn next(sample: &Sample, goal: Goal, bound: Bound) -> Next {
    // What is carried is asked of a site that is overloaded, and so never settles.
    let overloaded = matches!(goal, Goal::Carried(_));
    if decided(sample, goal) || !overloaded && sample.runs_away() {
        return Next::Enough;
    }
    let missed = !overloaded && sustains(sample) == Verdict::Missed;
    let most = if missed { bound.most.min(OVERLOADED) } else { bound.most };
    let room = most as f64 / (sample.arrived() as f64).max(1.0);
    if !overloaded && !sample.settled() {
        return if room >= LENGTHEN { Next::Lengthen } else { Next::Enough };
    }
    let times = shortfall(sample, goal).min(MORE).min(room);
    if times < WORTHWHILE {
        return Next::Enough;
    }
    Next::Replicate((f64::from(sample.replications()) * times).ceil() as u32)
}

fn decided(sample: &Sample, goal: Goal) -> bool {
    let clear = |verdict| matches!(verdict, Verdict::Met | Verdict::Missed);
    match goal {
        Goal::Precision(share) => sample.settled() && sample.within(share),
        Goal::Sustains => clear(sustains(sample)),
        Goal::Meets(objective, share) => {
            clear(meets_objective(sample, &objective)) || sample.settled() && sample.within(share)
        }
        Goal::Carried(share) => {
            let half = sample.mean(Summary::left).relative_half_width();
            sample.replications() >= CARRIED && half.is_some_and(|half| half <= share)
        }
    }
}

/// Fewer more replications than a tenth are not worth another look.
const WORTHWHILE: f64 = 1.1;

/// What is carried is told from so many replications at least: eight of them know their own noise
/// to a quarter only, and stopping wherever it looks small would be stopping by luck.
const CARRIED: u32 = 2 * REPLICATIONS;

/// How many times as many replications the goal is likely to take; the half-width shrinks with
/// their root. A tenth is added, so that the next look is likely the last.
fn shortfall(sample: &Sample, goal: Goal) -> f64 {
    let known = match goal {
        Goal::Carried(_) => Some(sample.mean(Summary::left)),
        _ => sample.p95(),
    };
    let Some((mean, half)) = known.and_then(|known| Some((known.mean, known.half_width()?))) else {
        return 1.0;
    };
    let allowed = match goal {
        Goal::Precision(share) | Goal::Carried(share) => share * mean,
        Goal::Meets(Objective { p95: Some(most), .. }, share) => {
            (mean - most.as_secs()).abs().max(share * mean)
        }
        Goal::Sustains | Goal::Meets(..) => return MORE,
    };
    let enough = half <= allowed;
    match goal {
        Goal::Carried(_) if enough => f64::from(CARRIED) / f64::from(sample.replications()),
        _ if enough => MORE,
        _ => (half / allowed).powi(2) * WORTHWHILE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::sites::mm1;
    use crate::outcome::Budget;

    fn p95(sample: &Sample) -> f64 {
        sample.p95().unwrap().mean
    }

    /// ln 20 / (mu - lambda), so p95 is 2 / 1.92 times as long at 8.08 as at 8. Alone, two
    /// replications of 2,000 would know it to some 10 %.
    #[test]
    fn two_replications_beside_an_anchor_tell_by_how_much_p95_differs() {
        let (cancel, crew) = (AtomicBool::new(false), Crew::new(2).unwrap());
        let watch = Watch::new(&cancel, &|_| ());
        let combination = Combination {
            plan: "plan".into(),
            server: "server".into(),
            price: None,
            site: mm1(8.0, 10.0),
            budget: Budget { lines: Vec::new(), ceiling: None },
            tiers: Vec::new(),
        };
        for seed in 1..=8 {
            let mut lab = Lab::new(&crew, &watch, Seed::new(seed), &combination);
            let [anchor, near] = [8.0, 8.08].map(PerSecond::new);
            let known = lab.explore(anchor, Goal::Precision(0.05), Bound::MEETS).unwrap();
            let (known, known_by) = (p95(known), known.replications());
            let sample = lab.beside(near, anchor).unwrap();
            assert!(sample.is_paired() && 3 * sample.replications() <= known_by);
            let ratio = p95(sample) / known;
            assert!((ratio / (2.0 / 1.92) - 1.0).abs() < 0.03, "seed {seed}: {ratio}");
        }
    }
}
