//! Simulates one plan with one server, at the rates that are asked for, and decides how much.

use std::collections::BTreeMap;

use crate::experiment::answer::{Combination, Effort, Finding, Objective};
use crate::experiment::bottleneck::limit;
use crate::experiment::demand::{bounds, length_biased_response, no_load_response};
use crate::experiment::goal::{ArrivalLimits, Goal, Next, next};
use crate::experiment::horizon::{IN_FLIGHT, REPLICATIONS, at, in_rounds, limited, reach};
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::experiment::trial::{Crew, Phase, Watch, replicate};
use crate::seed::Seed;
use crate::site::{Horizon, Site};
use crate::units::{PerSecond, Span};

/// The first window is at least this many times [`length_biased_response`]; the warm-up, a quarter
/// of it, thus spans five of them.
const FIRST_WINDOW_IN_RESPONSES: f64 = 20.0;

/// The longest first window of a site whose memory is too small at rest. It crashes in a loop of a
/// few seconds, and such a loop has its events by the clock, however few requests arrive.
const CRASH_LOOP: Span = Span::from_whole_secs(600);

/// The longest warm-up, as a share of the window. How much of the empty start it has to remove is
/// in [`Sample::settled`].
const MAX_WARMUP_SHARE: f64 = 0.25;

/// A run ends after this many times the expected arrivals: if the requests of its window are not
/// answered by then, the site is overloaded.
const OVERTIME: f64 = 8.0;

/// The largest number of arrivals for a finding with fixed effort, all replications together: some
/// minutes of work.
const FIXED_ARRIVALS: u64 = 200_000_000;

/// Arrivals of a first window for each standard deviation of the number inside. The number at the
/// end of a window less that at its beginning has a standard deviation of √2 of them; over eight
/// replications the interval of its mean reaches 2.36 · √2 / √8 = 1.18 of them. For that to be less
/// than 0.5 % of the arrivals, the growth that counts, takes 1.18 / 0.005 = 236; a quarter more for
/// luck.
const ARRIVALS_PER_DEVIATION: f64 = 300.0;

/// Arrivals of a first window for each unit of variance of the M/M/1 number in system, V = load /
/// (1 - load)². A window of n arrivals holds n / (4 V) independent observations of it (Whitt 1989),
/// and eight are needed (see [`Sample::settled`]): 32; half as many more for luck.
const ARRIVALS_PER_VARIANCE: f64 = 50.0;

/// A sample that is judged beside another has one in this many of its replications, and at least
/// two. Nearly all noise is common to both: if the other's p95 has half-width h, the difference of
/// p95 within a step or two has less than h / 2.
const PAIRED: u32 = 4;

/// One plan with one server, and all that was simulated of it so far.
pub(crate) struct Lab<'a> {
    pub crew: &'a Crew,
    pub watch: &'a Watch<'a>,
    pub root: Seed,
    pub site: &'a Site,
    /// What the runs at the moment are for.
    pub phase: Phase,
    /// The saturation point, once it is known: infinite where nothing saturates.
    pub full: Option<f64>,
    /// Whether the memory of each host holds what is there at rest.
    fits: bool,
    /// The samples that searches build on, by the bits of their rates, which sort as the rates do.
    samples: BTreeMap<u64, Sample>,
    /// Samples of rows that searches do not build on: those of fixed effort, and overloads that
    /// have lasted.
    rows: BTreeMap<u64, Sample>,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(
        crew: &'a Crew,
        watch: &'a Watch<'a>,
        root: Seed,
        combination: &'a Combination,
    ) -> Lab<'a> {
        let (samples, rows) = (BTreeMap::new(), BTreeMap::new());
        let (site, fits) = (&combination.site, combination.too_small().is_none());
        let (phase, full) = (Phase::Row, None);
        Lab { crew, watch, root, site, phase, full, fits, samples, rows }
    }

    /// The samples that searches build on, by rising rate.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.values()
    }

    /// The findings at all rates simulated so far, by rising rate. Of the rates that were only
    /// judged beside another, the load line alone is among them, since it is an answer of the
    /// study.
    pub(crate) fn findings(&self, effort: Effort, load_line: Option<PerSecond>) -> Vec<Finding> {
        let counts = |it: &Sample| !it.is_paired() || load_line == Some(it.site.traffic.rate);
        let own = |(key, it): &(&u64, &Sample)| !self.rows.contains_key(key) && counts(it);
        let explored = self.samples.iter().filter(own);
        let finding = |it: &Sample| it.finding(effort, limit(it, it, &Objective::default()));
        let all: BTreeMap<_, _> = explored.chain(&self.rows).collect();
        all.values().map(|sample| finding(sample)).collect()
    }

    /// `rate`, or the highest rate that the simulator can try, whichever is less.
    pub(crate) fn within_reach(&self, rate: PerSecond) -> PerSecond {
        PerSecond::new(rate.get().min(reach(self.site, IN_FLIGHT)))
    }

    /// The sample of a row at `rate`, with the effort of the study. `None` where the watch ended
    /// it.
    pub(crate) fn row(&mut self, rate: PerSecond, effort: Effort) -> Option<&Sample> {
        let key = rate.get().to_bits();
        let told = match effort {
            Effort::Precision(share) => {
                let goal = Goal::row(share);
                let sample = self.explore(rate, goal, ArrivalLimits::row(share))?;
                match sample.is_transient().then(|| sample.clone()) {
                    Some(first) => Some(self.outlast(first)?),
                    None => None,
                }
            }
            Effort::Fixed { replications, warmup, measured } => {
                let site = self.fixed(rate, replications, warmup, measured);
                let summaries = self.replicate(&site, (0, replications))?;
                Some(Sample::merging(site, summaries))
            }
        };
        self.rows.extend(told.map(|sample| (key, sample)));
        self.rows.get(&key).or_else(|| self.samples.get(&key))
    }

    /// Simulates `rate` until `goal` is reached, or as much as `limits` allow. Begins with what was
    /// simulated of the rate before. `None` where the watch ended it.
    pub(crate) fn explore(
        &mut self,
        rate: PerSecond,
        goal: Goal,
        limits: ArrivalLimits,
    ) -> Option<&Sample> {
        self.explore_corrected(rate, goal, limits, None)
    }

    /// Does what [`Lab::explore`] says, with p95 corrected for the work that came, where p95 grows
    /// by
    /// `slope` per cent for each per cent of load.
    pub(crate) fn explore_corrected(
        &mut self,
        rate: PerSecond,
        goal: Goal,
        limits: ArrivalLimits,
        slope: Option<f64>,
    ) -> Option<&Sample> {
        let key = rate.get().to_bits();
        let mut sample = match self.samples.remove(&key) {
            Some(sample) if !sample.is_paired() => sample,
            _ => self.first(rate, limits)?,
        };
        loop {
            sample.slope = slope.or(sample.slope);
            let next = if self.fits { next(&sample, goal, limits) } else { Next::Enough };
            match next {
                Next::Enough => break,
                Next::Lengthen(times) => sample = self.lengthened(&sample, limits, times)?,
                Next::WarmUp(warmup) => sample = self.warmed_up(&sample, warmup)?,
                Next::Replicate(to) => {
                    let more = self.replicate(&sample.site, (sample.replications(), to))?;
                    sample.extend(more);
                }
            }
        }
        Some(self.samples.entry(key).or_insert(sample))
    }

    /// A sample of a few replications at `rate`, beside the same ones at `anchor`, a rate near by
    /// that was explored. Both face the same requests, so that the ratio of their p95 is far more
    /// precise than each. `None` where the watch ended it.
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

    fn first(&self, rate: PerSecond, limits: ArrivalLimits) -> Option<Sample> {
        let window = self.window(rate, limits) / rate.get();
        let measured = window.max(FIRST_WINDOW_IN_RESPONSES * length_biased_response(self.site));
        let measured = in_rounds(self.site, rate, Span::from_secs(measured));
        self.begin(rate, limits, if self.fits { measured } else { measured.min(CRASH_LOOP) })
    }

    /// Arrivals in the first window at `rate`, within the limits: as many as it probably takes to
    /// settle, if the saturation point is known.
    fn window(&self, rate: PerSecond, limits: ArrivalLimits) -> f64 {
        let Some(full) = self.full else { return limits.first_window };
        let queueing = mm1_variance(rate, full);
        let variance = rate.get() * no_load_response(self.site) + queueing;
        let settles =
            (ARRIVALS_PER_DEVIATION * variance.sqrt()).max(ARRIVALS_PER_VARIANCE * queueing);
        settles.min(limits.longest_window).max(limits.first_window)
    }

    /// The warm-up before a window: at least that of a first window, and as long as it probably
    /// takes to forget the empty start.
    fn warmup(&self, rate: PerSecond, limits: ArrivalLimits, measured: Span) -> Span {
        let tightest = bounds(self.site).first().map_or(f64::INFINITY, |(_, rate)| rate.get());
        let arrivals = limits
            .first_window
            .max(ARRIVALS_PER_VARIANCE * mm1_variance(rate, self.full.unwrap_or(tightest)));
        let forgets = arrivals / rate.get();
        let window = forgets.max(FIRST_WINDOW_IN_RESPONSES * length_biased_response(self.site));
        measured.min(Span::from_secs(window)).scaled(MAX_WARMUP_SHARE)
    }

    fn lengthened(&self, sample: &Sample, limits: ArrivalLimits, times: f64) -> Option<Sample> {
        let (rate, last) = (sample.site.traffic.rate, sample.site.horizon);
        let measured = in_rounds(self.site, rate, last.measured.scaled(times));
        let warmup = self.warmup(rate, limits, measured).max(last.warmup);
        self.sample(rate, horizon(rate, warmup, measured))
    }

    fn warmed_up(&self, sample: &Sample, warmup: Span) -> Option<Sample> {
        let (rate, last) = (sample.site.traffic.rate, sample.site.horizon);
        let measured = in_rounds(self.site, rate, last.measured.max(warmup));
        self.sample(rate, horizon(rate, warmup, measured))
    }

    fn begin(&self, rate: PerSecond, limits: ArrivalLimits, measured: Span) -> Option<Sample> {
        self.sample(rate, horizon(rate, self.warmup(rate, limits, measured), measured))
    }

    pub(crate) fn sample(&self, rate: PerSecond, horizon: Horizon) -> Option<Sample> {
        let site = at(self.site, rate, horizon);
        let summaries = self.replicate(&site, (0, REPLICATIONS))?;
        Some(Sample::merging(site, summaries))
    }

    fn fixed(&self, rate: PerSecond, replications: u32, warmup: Span, measured: Span) -> Site {
        let limit = FIXED_ARRIVALS / u64::from(replications.max(1));
        at(self.site, rate, limited(warmup, measured, limit))
    }

    pub(crate) fn replicate(&self, site: &Site, range: (u32, u32)) -> Option<Vec<Summary>> {
        let summaries = replicate(self.crew, self.watch, site, self.root, range)?;
        let events = summaries.iter().map(|summary| summary.events).sum();
        self.watch.spent(self.phase, events);
        Some(summaries)
    }
}

/// A window after a warm-up, in a run that ends early if far more requests than expected arrive
/// until those of the window are answered.
pub(crate) fn horizon(rate: PerSecond, warmup: Span, measured: Span) -> Horizon {
    let arrivals = rate.get() * (warmup + measured).as_secs();
    limited(warmup, measured, (OVERTIME * arrivals + ArrivalLimits::ROW.first_window) as u64)
}

/// The variance of the number in an M/M/1 system that is loaded to `rate` of `full`.
fn mm1_variance(rate: PerSecond, full: f64) -> f64 {
    let load = (rate.get() / full).min(1.0 - f64::EPSILON);
    load / (1.0 - load).powi(2)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::experiment::sites::{combination, mm1};

    fn p95(sample: &Sample) -> f64 {
        sample.p95().unwrap().mean
    }

    /// One core that is never idle answers a request a tenth of a second of work; what is left of
    /// the noise is the time until it is first busy, of an overload of a tenth.
    #[test]
    fn what_an_overloaded_core_carries_is_known_whatever_work_came() {
        let (cancel, crew) = (AtomicBool::new(false), Crew::new(2).unwrap());
        let watch = Watch::new(&cancel, &|_| ());
        let combination = combination(mm1(8.0, 10.0));
        for seed in 1..=8 {
            let mut lab = Lab::new(&crew, &watch, Seed::new(seed), &combination);
            let goal = Goal::Carried(0.01);
            let sample =
                lab.explore(PerSecond::new(11.0), goal, ArrivalLimits::SATURATION).unwrap();
            let (carried, plain) = (sample.carried(), sample.mean(Summary::left));
            let [error, was] = [carried, plain].map(|it| it.standard_error.unwrap());
            assert!((carried.mean / 10.0 - 1.0).abs() < 0.005, "seed {seed}: {carried:?}");
            assert!(error < was / 4.0, "seed {seed}: {error} and {was}");
        }
    }

    /// Of the variance of the number in M/M/1, the work that came explains a share ρ² / (1 + ρ),
    /// which is 0.36 at 0.8. Over 200 replications such a share has a standard error of about 0.06,
    /// so 0.2 is less than four of them.
    #[test]
    fn p95_for_the_work_that_comes_on_average_is_less_noisy() {
        let (cancel, crew) = (AtomicBool::new(false), Crew::new(2).unwrap());
        let watch = Watch::new(&cancel, &|_| ());
        let combination = combination(mm1(8.0, 10.0));
        let lab = Lab::new(&crew, &watch, Seed::new(1), &combination);
        let site = lab.fixed(
            PerSecond::new(8.0),
            200,
            Span::from_whole_secs(100),
            Span::from_whole_secs(1_000),
        );
        let mut sample = Sample::new(site.clone(), lab.replicate(&site, (0, 200)).unwrap());
        let plain = sample.p95().unwrap().relative_half_width().unwrap();
        sample.slope = Some(4.0);
        let evened = sample.p95().unwrap().relative_half_width().unwrap();
        let told = 1.0 - (evened / plain).powi(2);
        assert!((told - 0.36).abs() < 0.2, "{told}");
    }

    /// p95 is ln 20 / (μ - λ), so it is 2 / 1.92 times as long at 8.08 as at 8. By themselves, two
    /// replications of 2,000 would give it to some 10 %.
    #[test]
    fn two_replications_beside_an_anchor_tell_by_how_much_p95_differs() {
        let (cancel, crew) = (AtomicBool::new(false), Crew::new(2).unwrap());
        let watch = Watch::new(&cancel, &|_| ());
        let combination = combination(mm1(8.0, 10.0));
        for seed in 1..=8 {
            let mut lab = Lab::new(&crew, &watch, Seed::new(seed), &combination);
            let [anchor, near] = [8.0, 8.08].map(PerSecond::new);
            let known =
                lab.explore(anchor, Goal::Precision(0.05), ArrivalLimits::OBJECTIVE).unwrap();
            let (known, known_by) = (p95(known), known.replications());
            let sample = lab.beside(near, anchor).unwrap();
            assert!(sample.is_paired() && 3 * sample.replications() <= known_by);
            let ratio = p95(sample) / known;
            assert!((ratio / (2.0 / 1.92) - 1.0).abs() < 0.03, "seed {seed}: {ratio}");
        }
    }
}
