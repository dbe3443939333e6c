//! The largest rate that is sustained.

use crate::experiment::answer::{Accuracy, Combination, Limit, Threshold};
use crate::experiment::demand::{bounds, heavy_traffic_variability, slots};
use crate::experiment::finding::{LOSS, Sample};
use crate::experiment::goal::{ArrivalLimits, Goal, sustains};
use crate::experiment::lab::{Lab, REPLICATIONS};
use crate::experiment::rate_uncertainty::{RATE_TOLERANCE, errors_locate_rate};
use crate::experiment::search::{Found, RESOLUTION, Trial, Verdict, largest};
use crate::experiment::summary::Summary;
use crate::site::Site;
use crate::units::{Fraction, PerSecond, Span};

/// The overload that tells what a site carries. After 500 arrivals, the warm-up of a first look,
/// 50 more have come than are answered, give or take 32 (one server, exponential gaps and work):
/// nothing idles any more, and the crowd is still small.
const OVERLOAD: f64 = 1.10;

/// An overload of up to so much tells what is carried as well.
const GROSS: f64 = 1.25;

/// Overloads tried, each [`OVERLOAD`] beyond what the one before carried.
const MAX_OVERLOADS: u32 = 4;

/// Half the width of the interval of what is carried, as a share of it: so its standard error is
/// about half a per cent, like that of a verdict on 80,000 arrivals.
const THROUGHPUT_PRECISION: f64 = 0.008;

/// Where more than this share is turned away, an overload tells what is carried *then*, which may
/// be more than is sustained with few enough turned away: a tenth of what is allowed.
const TURNED_AWAY: f64 = LOSS / 10.0;

/// So often what is carried is tried, and then searched for.
const CONFIRMATIONS: u32 = 4;

/// What is busy under overload idles a little at the saturation point as well, where a crowd comes
/// and goes: for a share of the window that is this many times the root of the walk's variance per
/// arrival over the arrivals. (A walk that has gone k steps was at its lowest √(2 k / π) standard
/// deviations of a step below its start: √(2 / π) · (√1.25 - √0.25), after a warm-up of a quarter.)
/// Three times that is time to spare.
const IDLE: f64 = 0.49;

/// The search goes down to this share of where it begins.
const FLOOR: f64 = 1e-3;

/// The largest rate that is sustained; `None` where the watch ended it.
///
/// No rate is sustained beyond what is answered while more arrives than is answered, as long as
/// all that comes of the overload is waiting. So that is the answer, once a trial right there has
/// not contradicted it; the rate a step further would pile up a step's worth of the arrivals. It
/// is known better than by verdicts on both sides: those face the noise of the arrivals as well,
/// and take longer the closer they come. Where requests are turned away (connections, limits,
/// kills), or it is not the overload that has just begun that tells, the answer is searched for.
pub(crate) fn saturation_point(lab: &mut Lab, combination: &Combination) -> Option<Threshold> {
    let Some((_, bound)) = bounds(lab.site).first().copied() else {
        return unlimited(lab);
    };
    let mut high = lab.within_reach(bound.scaled(OVERLOAD));
    let low = high.scaled(FLOOR);
    // A crash loop, as a rule, sustains nothing.
    let fits = combination.budget.fits();
    if !fits && !attempt(lab, low, ArrivalLimits::SATURATION)?.verdict.leans_to_met() {
        return Some(Threshold::AtRest);
    }
    let carried = if fits { carried(lab, bound, high)? } else { OverloadThroughput::Unusable };
    let late = match carried {
        OverloadThroughput::Valid(rate, _) => long_windows(lab.site, rate),
        OverloadThroughput::Unusable => None,
    };
    if let (OverloadThroughput::Valid(rate, overload), None) = (carried, late) {
        match confirm(lab, bound, rate, overload)? {
            Confirmed::Sustained(rate, accuracy) => {
                let beyond = rate.scaled(1.0 + RESOLUTION);
                return Some(Threshold::At { rate, beyond, accuracy });
            }
            Confirmed::AtMost(rate) => high = rate,
        }
    }
    let effort = late.unwrap_or(ArrivalLimits::SATURATION);
    let found = largest((low, high), Fraction::new(RESOLUTION), |rate| attempt(lab, rate, effort))?;
    // How much is lost, or how soon all fall into step, is a matter of a few crowds.
    let vague = late.is_some() || !is_steady(lab, found);
    let found = at_most(bound, known(lab, bound, found));
    Some(if vague { found.about() } else { found })
}

/// What a search `found`. That even the highest rate seems to be sustained, beyond the `bound` of the
/// utilisation law, is the luck of the draw, unless the search could not go so far.
fn known(lab: &Lab, bound: PerSecond, found: Found) -> Threshold {
    match found {
        Found::Everywhere if lab.within_reach(bound) >= bound => {
            let beyond = bound.scaled(1.0 + RESOLUTION);
            Threshold::At { rate: bound, beyond, accuracy: Accuracy::Noise }
        }
        found => found.threshold(),
    }
}

/// The same where nothing is ever busy: any rate is sustained, or none where waiting alone takes longer
/// than visitors have patience.
fn unlimited(lab: &mut Lab) -> Option<Threshold> {
    let rate = lab.within_reach(lab.site.traffic.rate);
    let lost = attempt(lab, rate, ArrivalLimits::CONFIRMATION)?.verdict == Verdict::Missed;
    Some(if lost { Threshold::AtRest } else { Threshold::Never })
}

/// Whether the trials tell where it was `found` to within [`RATE_TOLERANCE`]: by what piles up beyond it they do, and
/// by what is lost if enough was.
fn is_steady(lab: &Lab, found: Found) -> bool {
    let Found::Between { met, missed, .. } = found else { return true };
    let beyond = lab.samples().find(|sample| sample.site.traffic.rate == missed);
    beyond.is_none_or(Sample::piles_up) || errors_locate_rate(lab, met, LOSS)
}

/// Whether what is carried of an overload that has just begun is more than is sustained, since what gives
/// way does so in crowds that come every few minutes; and what is simulated to see that.
fn long_windows(site: &Site, rate: PerSecond) -> Option<ArrivalLimits> {
    if patience_margin(site, rate) > RESOLUTION / 2.0 {
        return Some(ArrivalLimits::RARE_CROWDS);
    }
    (can_synchronise(site) && !keeps_cores_busy(site, rate)).then_some(ArrivalLimits::RARE_CROWDS)
}

/// How much less than the `rate` that is carried has to come, as a share of it, so that no more than
/// [`LOSS`] wait for longer than visitors have patience: in heavy traffic waits are exponential, with a
/// mean of that of M/M/1 times how far the crowd strays, squared (Kingman 1961).
fn patience_margin(site: &Site, rate: PerSecond) -> f64 {
    let patience = site.client.patience.map_or(f64::INFINITY, Span::as_secs);
    heavy_traffic_variability(site).powi(2) * (1.0 / LOSS).ln() / (rate.get() * patience)
}

/// Whether requests that all take the same steps for the same times can fall into step, and then meet at
/// the cores again and again: more than one at a time, that compute and wait by turns.
fn can_synchronise(site: &Site) -> bool {
    let mut wanted = site.traffic.endpoints.iter().filter(|endpoint| endpoint.weight > 0.0);
    let Some(first) = wanted.next() else { return false };
    let alike = first.variance_secs2() == 0.0 && wanted.all(|other| other.steps == first.steps);
    let computes = bounds(site).iter().any(|(limit, _)| *limit == Limit::Cores);
    alike && computes && first.steps.len() > 1 && slots(site) != Some(1)
}

/// Whether `rate` is all that the cores can do, to half a step of the resolution: however requests meet
/// at them, they are never idle, and so much is carried for good. (Of workers that is not so: those that
/// meet at the cores keep theirs for longer.)
fn keeps_cores_busy(site: &Site, rate: PerSecond) -> bool {
    let tightest = bounds(site).first().copied();
    tightest.is_some_and(|(limit, bound)| {
        limit == Limit::Cores && rate.get() > (1.0 - RESOLUTION / 2.0) * bound.get()
    })
}

/// A searched point, which may lie beyond the `bound` of the utilisation law by the loss that is allowed
/// and the luck of the draw: what is more than the site can do is not sustained.
fn at_most(bound: PerSecond, found: Threshold) -> Threshold {
    match found {
        Threshold::At { rate, accuracy, .. } if rate > bound => {
            Threshold::At { rate: bound, beyond: bound.scaled(1.0 + RESOLUTION), accuracy }
        }
        found => found,
    }
}

/// What trials at the rate that is carried under overload tell.
enum Confirmed {
    /// It is sustained, or what a trial there carried is.
    Sustained(PerSecond, Accuracy),
    /// Not even this is sustained.
    AtMost(PerSecond),
}

/// Tries `rate`, and what was carried there where that contradicts it. Where what is busy under
/// `overload` is less so at `rate`, by more than less leaves, the overload made work of its own
/// (connections that were opened for its crowd), and by the utilisation law so much more is carried
/// without it. Until when depends on when a crowd comes by chance, so where that is more than
/// [`RATE_TOLERANCE`], no answer but the bound itself is better than "about".
fn confirm(
    lab: &mut Lab,
    bound: PerSecond,
    mut rate: PerSecond,
    overload: Overload,
) -> Option<Confirmed> {
    let (mut high, mut contradicted, mut raised) = (rate, false, false);
    for _ in 0..CONFIRMATIONS {
        lab.full = Some(rate.get());
        let sample = lab.explore(rate, Goal::Sustains, ArrivalLimits::CONFIRMATION)?;
        let left = sample.mean(Summary::left).mean / overload.left;
        if agrees(sample, overload.left) {
            let spare = to_spare(&overload.busy, &utilisations(sample));
            let more = (rate.get() * spare * left).min(bound.get());
            if contradicted || more <= (1.0 + idle_by_chance(sample)) * rate.get() {
                let known = !raised && more <= (1.0 + RATE_TOLERANCE) * rate.get() || rate == bound;
                let accuracy = if known { Accuracy::Resolution } else { Accuracy::Noise };
                return Some(Confirmed::Sustained(rate, accuracy));
            }
            (rate, raised) = (PerSecond::new(more), true);
            continue;
        }
        (high, contradicted) = (rate, true);
        if turns_away(sample) || left <= 0.0 {
            break;
        }
        rate = rate.scaled(left.min(1.0 - RESOLUTION / 2.0));
    }
    Some(Confirmed::AtMost(if contradicted { high } else { bound.scaled(OVERLOAD) }))
}

/// Resources that can be all the time busy.
const RESOURCES: usize = 5;

/// How busy each is.
fn utilisations(sample: &Sample) -> [f64; RESOURCES] {
    let usage = sample.usage();
    let database = usage.database_cpu_utilisation.unwrap_or(0.0);
    let pool = usage.pool_utilisation.unwrap_or(0.0);
    [usage.cpu_utilisation, database, usage.worker_utilisation, usage.gil_utilisation, pool]
}

/// How much more time to spare than that is told from chance: the work of a window varies as what
/// leaves it does, and Poisson arrivals by the root of their number.
fn idle_by_chance(sample: &Sample) -> f64 {
    let left = sample.mean(Summary::left);
    let replications = f64::from(sample.replications());
    let work = left.standard_error.unwrap_or(0.0) / left.mean * replications.sqrt();
    let arrivals = replications / (sample.arrived() as f64).max(1.0);
    3.0 * IDLE * (arrivals + work * work).sqrt()
}

/// How many times as much what was the busiest resource then could do as it does `now`.
fn to_spare(then: &[f64; RESOURCES], now: &[f64; RESOURCES]) -> f64 {
    let pairs = then.iter().zip(now).filter(|(_, now)| **now > 0.0);
    let busiest = pairs.max_by(|(a, _), (b, _)| a.total_cmp(b));
    busiest.map_or(1.0, |(then, now)| then / now)
}

/// What an overload tells.
enum OverloadThroughput {
    /// All that comes of it is waiting, and so much is carried.
    Valid(PerSecond, Overload),
    /// More comes of it than waiting.
    Unusable,
}

/// What the requests that are to come again did under overload.
#[derive(Debug, Clone, Copy)]
struct Overload {
    /// How many left a second: what is carried of these.
    left: f64,
    /// How busy everything was.
    busy: [f64; RESOURCES],
}

impl Overload {
    fn of(sample: &Sample) -> Overload {
        let first = sample.summaries[..REPLICATIONS as usize].to_vec();
        let first = Sample::new(sample.site.clone(), first);
        Overload { left: first.mean(Summary::left).mean, busy: utilisations(&first) }
    }
}

/// What is carried under a moderate overload, looked for from `rate` down. What the draw of the
/// requests lets through beyond the `bound` of the utilisation law is its luck.
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

/// Whether `sample`, at the rate that is carried, has nothing against its being sustained: nothing is
/// lost, and either nothing grows or about as much is answered all the same as of the same requests
/// left under overload, but for what is idle there by chance.
fn agrees(sample: &Sample, left: f64) -> bool {
    let answered = sample.mean(Summary::served).mean;
    match sustains(sample) {
        Verdict::Missed => false,
        verdict => verdict.leans_to_met() || answered >= (1.0 - idle_by_chance(sample)) * left,
    }
}

fn attempt(lab: &mut Lab, rate: PerSecond, effort: ArrivalLimits) -> Option<Trial> {
    let sample = lab.explore(rate, Goal::Sustains, effort)?;
    // Some replications fall into step, and others do not while one looks: what is inside is not told to
    // grow by their interval, but it does.
    let verdict = match sustains(sample) {
        Verdict::Unclear { .. } if can_synchronise(&sample.site) && sample.grows() => {
            Verdict::Unclear { met: false }
        }
        verdict => verdict,
    };
    Some(Trial { verdict, guess: throughput(sample) })
}

/// What is answered while more arrives than is sustained: about the most there can be.
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
    }
}
