//! The largest rate that is sustained.

use crate::experiment::answer::{Accuracy, Combination, LOSS, Limit, Threshold};
use crate::experiment::demand::{bounds, heavy_traffic_variability, slots};
use crate::experiment::goal::{ArrivalLimits, Goal, sustains};
use crate::experiment::horizon::REPLICATIONS;
use crate::experiment::lab::Lab;
use crate::experiment::rate_uncertainty::{RATE_TOLERANCE, errors_locate_rate};
use crate::experiment::sample::Sample;
use crate::experiment::search::{Found, RESOLUTION, Trial, Verdict, largest};
use crate::experiment::summary::Summary;
use crate::site::Site;
use crate::units::{Fraction, PerSecond, Span};

/// The overload at which throughput is measured, as a factor. Over the 500 arrivals of a first
/// look's warm-up, 45 more come than are answered, give or take 32 (one server, exponential gaps
/// and work): the server no longer idles, and the queue is still short.
const OVERLOAD: f64 = 1.10;

/// The largest overload at which throughput is measured as well.
const GROSS: f64 = 1.25;

/// Overloads tried at most, each [`OVERLOAD`] beyond the throughput of the one before.
const MAX_OVERLOADS: u32 = 4;

/// Half the interval's width of the throughput under overload, as a share of it. Its standard error
/// is then about half a per cent, as that of a verdict on 80,000 arrivals is.
const THROUGHPUT_PRECISION: f64 = 0.008;

/// If more than this share is turned away under overload, the throughput is not used: it may be
/// more than what is sustained with few enough turned away. A tenth of what may be lost.
const TURNED_AWAY: f64 = LOSS / 10.0;

/// Rates tried at most to confirm the throughput under overload; after that the point is searched.
const CONFIRMATIONS: u32 = 4;

/// What is busy under overload idles a little at the saturation point as well, where a crowd comes
/// and goes: for a share of the window that is this many times the root of the walk's variance per
/// arrival over the arrivals. (A walk that has gone k steps was at its lowest √(2 k / π) standard
/// deviations of a step below its start: √(2 / π) · (√1.25 - √0.25), after a warm-up of a quarter.)
/// Three times that is time to spare.
const IDLE: f64 = 0.49;

/// The lowest rate of the search, as a share of the highest.
const FLOOR: f64 = 1e-3;

/// The largest rate that is sustained; `None` where the watch ended it.
///
/// If an overload makes requests wait, and does nothing else, no rate above its throughput is
/// sustained. That throughput is the answer, once a trial at the same rate has not contradicted it;
/// a rate one step higher would pile up a step's share of the arrivals. This is more precise than
/// verdicts on both sides of the answer: those have the noise of the arrivals as well, and take
/// longer the closer they come. The answer is searched for where requests are turned away
/// (connections, limits, kills), or where an overload that has just begun carries more than one
/// that lasts.
pub(crate) fn saturation_point(lab: &mut Lab, combination: &Combination) -> Option<Threshold> {
    let Some((_, bound)) = bounds(lab.site).first().copied() else {
        return unlimited(lab);
    };
    let mut high = lab.within_reach(bound.scaled(OVERLOAD));
    let low = high.scaled(FLOOR);
    // Where memory is too small at rest, workers crash in a loop, and mostly sustain no rate.
    let fits = combination.budget.fits();
    if !fits && !attempt(lab, low, ArrivalLimits::SATURATION)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    let carried = if fits { carried(lab, bound, high)? } else { OverloadThroughput::Unusable };
    let long_windows = match carried {
        OverloadThroughput::Valid(rate, _) => long_windows(lab.site, rate),
        OverloadThroughput::Unusable => None,
    };
    if let (OverloadThroughput::Valid(rate, overload), None) = (carried, long_windows) {
        match confirm(lab, bound, rate, overload)? {
            Confirmed::Sustained(rate, accuracy) => {
                let beyond = rate.scaled(1.0 + RESOLUTION);
                return Some(Threshold::At { rate, beyond, accuracy });
            }
            Confirmed::AtMost(rate) => high = rate,
        }
    }
    let limits = long_windows.unwrap_or(ArrivalLimits::SATURATION);
    let found = largest((low, high), Fraction::new(RESOLUTION), |rate| attempt(lab, rate, limits))?;
    // In long windows, too, losses and synchronised crowds are a matter of few events.
    let precise = long_windows.is_none() && is_located(lab, found);
    let reaches = lab.within_reach(bound) >= bound;
    Some(limited(bound, reaches, threshold(found, precise)))
}

/// A searched point, where the utilisation law sets a `bound`. If the search `reaches` that and
/// nothing gave way, this was chance, and the answer is about the bound.
fn limited(bound: PerSecond, reaches: bool, found: Threshold) -> Threshold {
    match found {
        Threshold::Never if reaches => {
            let beyond = bound.scaled(1.0 + RESOLUTION);
            Threshold::At { rate: bound, beyond, accuracy: Accuracy::Noise }
        }
        found => at_most(bound, found),
    }
}

/// A searched point as an answer, which is `precise` or else "about".
fn threshold(found: Found, precise: bool) -> Threshold {
    match found {
        Found::Between { met, missed, .. } => {
            let accuracy = if precise { Accuracy::Resolution } else { Accuracy::Noise };
            Threshold::At { rate: met, beyond: missed, accuracy }
        }
        Found::Everywhere => Threshold::Never,
        Found::Nowhere => Threshold::AtRest,
    }
}

/// The saturation point of a site where no resource is ever busy: any rate is sustained, or none if
/// requests take longer than their clients have patience.
fn unlimited(lab: &mut Lab) -> Option<Threshold> {
    let rate = lab.within_reach(lab.site.traffic.rate);
    let lost = attempt(lab, rate, ArrivalLimits::CONFIRMATION)?.verdict == Verdict::Missed;
    Some(if lost { Threshold::AtRest } else { Threshold::Never })
}

/// Whether the trials locate the point that was `found` to within [`RATE_TOLERANCE`]: they do if
/// requests pile up just beyond it, or if enough of them fail.
fn is_located(lab: &Lab, found: Found) -> bool {
    let Found::Between { met, missed, .. } = found else { return true };
    let beyond = lab.samples().find(|sample| sample.site.traffic.rate == missed);
    beyond.is_none_or(Sample::piles_up) || errors_locate_rate(lab, met, LOSS)
}

/// The limits on arrivals for long windows, if the site needs them: if crowds that come only every
/// few minutes make it fail, an overload that has just begun carries more than is sustained.
fn long_windows(site: &Site, rate: PerSecond) -> Option<ArrivalLimits> {
    if patience_margin(site, rate) > RESOLUTION {
        return Some(ArrivalLimits::RARE_CROWDS);
    }
    (can_synchronise(site) && !keeps_cores_busy(site, rate)).then_some(ArrivalLimits::RARE_CROWDS)
}

/// By which share the rate has to stay below `rate`, the capacity, so that at most [`LOSS`] of the
/// requests wait for longer than clients have patience. In heavy traffic waits are exponential with
/// a mean of v² / (gap · rate), where v is [`heavy_traffic_variability`] (Kingman 1961), and
/// e^(-gap · rate · patience / v²) = LOSS.
fn patience_margin(site: &Site, rate: PerSecond) -> f64 {
    let patience = site.client.patience.map_or(f64::INFINITY, Span::as_secs);
    heavy_traffic_variability(site).powi(2) * (1.0 / LOSS).ln() / (rate.get() * patience)
}

/// Whether requests can synchronise, so that they meet at the cores again and again: they all take
/// the same steps for the same times, compute and wait by turns, and several are worked on at a
/// time.
fn can_synchronise(site: &Site) -> bool {
    let mut wanted = site.traffic.endpoints.iter().filter(|endpoint| endpoint.weight > 0.0);
    let Some(first) = wanted.next() else { return false };
    let alike = first.variance_secs2() == 0.0 && wanted.all(|other| other.steps == first.steps);
    let computes = bounds(site).iter().any(|(limit, _)| *limit == Limit::Cores);
    alike && computes && first.steps.len() > 1 && slots(site) != Some(1)
}

/// Whether `rate` is all that the cores can do, to half a step of the resolution. Then they are
/// never idle, however requests meet at them, and the rate is sustained. (The same is not true of
/// workers: requests that meet at the cores hold their workers for longer.)
fn keeps_cores_busy(site: &Site, rate: PerSecond) -> bool {
    let tightest = bounds(site).first().copied();
    tightest.is_some_and(|(limit, bound)| {
        limit == Limit::Cores && rate.get() > (1.0 - RESOLUTION / 2.0) * bound.get()
    })
}

/// `found`, but at most `bound`. A searched point may lie beyond the bound of the utilisation law,
/// by the loss that is allowed and by chance.
fn at_most(bound: PerSecond, found: Threshold) -> Threshold {
    match found {
        Threshold::At { rate, accuracy, .. } if rate > bound => {
            Threshold::At { rate: bound, beyond: bound.scaled(1.0 + RESOLUTION), accuracy }
        }
        found => found,
    }
}

/// The result of the trials that are to confirm the throughput under overload.
enum Confirmed {
    /// This rate is sustained, and is the largest.
    Sustained(PerSecond, Accuracy),
    /// The largest rate that is sustained is below this one.
    AtMost(PerSecond),
}

/// The result of one of these trials.
enum Round {
    /// The rate is sustained; whether no rate beyond [`RATE_TOLERANCE`] of it can be.
    Holds { closely: bool },
    /// The rate is sustained, and this higher one may be.
    Raise(PerSecond),
    /// The rate is not sustained; a lower one may be, if one is known.
    Lower(Option<PerSecond>),
}

/// Tries `rate`, the throughput of `overload`, and other rates as [`attempt_carried`] proposes
/// them. Until when a raised rate is sustained depends on when a crowd comes by chance: such an
/// answer is "about", unless it is the bound itself.
fn confirm(
    lab: &mut Lab,
    bound: PerSecond,
    mut rate: PerSecond,
    overload: Overload,
) -> Option<Confirmed> {
    let (mut contradicted, mut raised) = (None, false);
    for _ in 0..CONFIRMATIONS {
        match attempt_carried(lab, bound, rate, overload, contradicted.is_some())? {
            Round::Holds { closely } => {
                let precise = closely && !raised || rate == bound;
                let accuracy = if precise { Accuracy::Resolution } else { Accuracy::Noise };
                return Some(Confirmed::Sustained(rate, accuracy));
            }
            Round::Raise(more) => (rate, raised) = (more, true),
            Round::Lower(less) => {
                contradicted = Some(rate);
                let Some(less) = less else { break };
                rate = less;
            }
        }
    }
    Some(Confirmed::AtMost(contradicted.unwrap_or(bound.scaled(OVERLOAD))))
}

/// Tries `rate` once, with the requests of `overload`. If the resource that is busy under overload
/// has time to spare at `rate`, more than the smaller throughput explains, the overload made work
/// of its own (such as connections opened for its crowd). By the utilisation law the site carries
/// that much more without it, so a higher rate is proposed, unless one was `contradicted` before.
fn attempt_carried(
    lab: &mut Lab,
    bound: PerSecond,
    rate: PerSecond,
    overload: Overload,
    contradicted: bool,
) -> Option<Round> {
    lab.full = Some(rate.get());
    let sample = lab.explore(rate, Goal::Sustains, ArrivalLimits::CONFIRMATION)?;
    let left = sample.mean(Summary::left).mean / overload.left;
    if !agrees(sample, overload.left) {
        let stuck = turns_away(sample) || left <= 0.0;
        return Some(Round::Lower(match stuck {
            true => None,
            false => Some(rate.scaled(left.min(1.0 - RESOLUTION / 2.0))),
        }));
    }
    let spare = to_spare(&overload.busy, &utilisations(sample));
    let more = (rate.get() * spare * left).min(bound.get());
    let by_chance = more <= (1.0 + idle_by_chance(sample)) * rate.get();
    Some(match contradicted || by_chance {
        true => Round::Holds { closely: more <= (1.0 + RATE_TOLERANCE) * rate.get() },
        false => Round::Raise(PerSecond::new(more)),
    })
}

/// How many resources can be busy all the time.
const RESOURCES: usize = 5;

/// The utilisation of each of them.
fn utilisations(sample: &Sample) -> [f64; RESOURCES] {
    let usage = sample.usage();
    let database = usage.database_cpu_utilisation.unwrap_or(0.0);
    let pool = usage.pool_utilisation.unwrap_or(0.0);
    [usage.cpu_utilisation, database, usage.worker_utilisation, usage.gil_utilisation, pool]
}

/// The share of its time that a resource may idle by chance, where it would be busy all the time:
/// the work of a window varies as the departures from it do, and Poisson arrivals by the root of
/// their number.
fn idle_by_chance(sample: &Sample) -> f64 {
    let left = sample.mean(Summary::left);
    let replications = f64::from(sample.replications());
    let work = left.standard_error.unwrap_or(0.0) / left.mean * replications.sqrt();
    let arrivals = replications / (sample.arrived() as f64).max(1.0);
    3.0 * IDLE * (arrivals + work * work).sqrt()
}

/// How many times as much as `now` the resource could do that was the busiest `then`.
fn to_spare(then: &[f64; RESOURCES], now: &[f64; RESOURCES]) -> f64 {
    let pairs = then.iter().zip(now).filter(|(_, now)| **now > 0.0);
    let busiest = pairs.max_by(|(a, _), (b, _)| a.total_cmp(b));
    busiest.map_or(1.0, |(then, now)| then / now)
}

/// Whether the throughput of an overload is what the site can carry.
enum OverloadThroughput {
    /// The overload made requests wait and did nothing else: this is its throughput.
    Valid(PerSecond, Overload),
    /// The overload turned requests away, or there was none.
    Unusable,
}

/// What was measured under overload with the requests that are simulated again to confirm it.
#[derive(Debug, Clone, Copy)]
struct Overload {
    /// How many left a second.
    left: f64,
    /// The utilisation of each resource.
    busy: [f64; RESOURCES],
}

impl Overload {
    fn of(sample: &Sample) -> Overload {
        let first = sample.summaries[..REPLICATIONS as usize].to_vec();
        let first = Sample::new(sample.site.clone(), first);
        Overload { left: first.mean(Summary::left).mean, busy: utilisations(&first) }
    }
}

/// The throughput of a moderate overload, which is looked for from `rate` down. At most `bound`,
/// that of the utilisation law: what is beyond it is chance.
fn carried(lab: &mut Lab, bound: PerSecond, mut rate: PerSecond) -> Option<OverloadThroughput> {
    for _ in 0..MAX_OVERLOADS {
        let sample = lab.explore(rate, Goal::Sustains, ArrivalLimits::SATURATION)?;
        let left = sample.mean(Summary::left).mean;
        if !sample.runs_away() || left <= 0.0 || turns_away(sample) {
            break;
        }
        if rate.get() <= GROSS * left {
            let sample =
                lab.explore(rate, Goal::Carried(THROUGHPUT_PRECISION), ArrivalLimits::SATURATION)?;
            let left = sample.carried().mean;
            return Some(if turns_away(sample) {
                OverloadThroughput::Unusable
            } else {
                OverloadThroughput::Valid(
                    PerSecond::new(left.min(bound.get())),
                    Overload::of(sample),
                )
            });
        }
        rate = PerSecond::new(left * OVERLOAD);
    }
    Some(OverloadThroughput::Unusable)
}

fn turns_away(sample: &Sample) -> bool {
    sample.crowded() || sample.mean(Summary::turned_away).mean > TURNED_AWAY
}

/// Whether `sample`, at the throughput of an overload, agrees that this rate is sustained. Too few
/// requests must fail to contradict it; and the number inside must not grow, or as many requests a
/// second must be answered as `left` under overload, but for what is idle by chance.
fn agrees(sample: &Sample, left: f64) -> bool {
    let answered = sample.mean(Summary::served).mean;
    match sustains(sample) {
        Verdict::Missed => false,
        verdict => verdict.leans_to_met() || answered >= (1.0 - idle_by_chance(sample)) * left,
    }
}

fn attempt(lab: &mut Lab, rate: PerSecond, limits: ArrivalLimits) -> Option<Trial> {
    let sample = lab.explore(rate, Goal::Sustains, limits)?;
    // Some replications synchronise within the window and others do not yet. Their interval then
    // does not show that the number inside grows, but their mean does.
    let verdict = match sustains(sample) {
        Verdict::Unclear { .. } if can_synchronise(&sample.site) && sample.grows() => {
            Verdict::Unclear { met: false }
        }
        verdict => verdict,
    };
    Some(Trial { verdict, guess: throughput(sample) })
}

/// The throughput of a saturated sample: about the largest rate that can be sustained.
fn throughput(sample: &Sample) -> Option<PerSecond> {
    let served = sample.mean(Summary::served).mean;
    (sample.saturated() && served > 0.0).then(|| PerSecond::new(served))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_searched_point_lies_beyond_what_the_utilisation_law_allows() {
        let at = |rate: f64, beyond: f64| Threshold::At {
            rate: PerSecond::new(rate),
            beyond: PerSecond::new(beyond),
            accuracy: Accuracy::Resolution,
        };
        let bound = PerSecond::new(136.0);
        assert_eq!(at_most(bound, at(139.5, 140.5)), at(136.0, 136.0 * 1.01));
        let others = [at(135.5, 136.5), at(136.0, 137.0), Threshold::Never, Threshold::AtRest];
        assert_eq!(others.map(|found| at_most(bound, found)), others);
        assert_eq!(others.map(|found| limited(bound, false, found)), others);
        let never = limited(bound, true, Threshold::Never);
        assert!(never.is_noisy() && never.rate() == Some(bound), "{never:?}");
    }
}
