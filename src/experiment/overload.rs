//! Overloads that last.
//!
//! What an overload is like at its beginning depends on how long is simulated: requests pile up,
//! until a backlog is full and new ones are turned away, or until every client waits for longer
//! than its patience. A row reports the state after that, if it is reached within the limits on
//! arrivals.

use crate::experiment::demand::most_inside;
use crate::experiment::goal::ArrivalLimits;
use crate::experiment::horizon::{DRAIN, in_rounds, patience};
use crate::experiment::lab::{Lab, horizon};
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::site::Horizon;
use crate::units::Span;

/// How many times at most a row in which requests pile up is simulated again, each time for longer.
const LATER_LOOKS: u32 = 3;

/// The window of a later look, as a share of its warm-up.
const LATER_WINDOW: f64 = 0.25;

/// The longest warm-up and window of a later look, as a share of the longest window of a row. If a
/// site takes longer to fill, it is hardly overloaded, and its row says that it grows.
const LATEST: f64 = 0.5;

/// A margin on the time that a site takes to fill, as a factor.
const FILLING: f64 = 1.05;

impl Lab<'_> {
    /// The sample of an overload that has lasted, of which `sample` is the beginning. It is
    /// simulated for longer and longer, until no more requests pile up (a backlog is full) or,
    /// where nothing limits their number, all are lost to impatience; or as far as the limits on a
    /// row go.
    pub(crate) fn outlast(&self, mut sample: Sample) -> Option<Sample> {
        let began = sample.stages(|summary| summary.stages);
        for _ in 0..LATER_LOOKS {
            let limited = most_inside(self.site).is_some();
            let ends = limited || self.site.client.patience.is_some() && !sample.is_lost();
            if !ends || !sample.is_transient() || sample.crowded() {
                break;
            }
            let Some(later) = self.later(&sample) else { break };
            sample = self.sample(sample.site.traffic.rate, later)?;
        }
        sample.began = began;
        Some(sample)
    }

    /// The horizon of a later look than `sample`. Its warm-up lasts until the site is full, or
    /// until every new request has to wait for longer than its client's patience, and then for the
    /// patience of those before. It drains until requests that wait for all others are answered.
    /// `None` where that takes longer than [`LATEST`].
    fn later(&self, sample: &Sample) -> Option<Horizon> {
        let (rate, last) = (sample.site.traffic.rate, sample.site.horizon);
        let patience = patience(self.site);
        let of: [fn(&Summary) -> f64; 3] =
            [|it| it.inside.1 as f64, Summary::left, Summary::growth];
        let [inside, left, growth] = of.map(|of| sample.mean(of).mean);
        let most = most_inside(self.site).map_or(left * patience.as_secs(), |most| most as f64);
        let fills = if most > inside && sample.piles_up() {
            Span::from_secs(FILLING * (most - inside) / (growth * rate.get()))
        } else {
            Span::ZERO
        };
        let longest = Span::from_secs(LATEST * ArrivalLimits::ROW.longest_window / rate.get());
        let warmup = last.warmup + last.measured + fills + patience;
        let measured = warmup.scaled(LATER_WINDOW).max(last.measured);
        let measured = in_rounds(self.site, rate, measured);
        let drain = DRAIN.max(Span::from_secs(FILLING * most / left).min(longest));
        (warmup + measured <= longest).then(|| Horizon { drain, ..horizon(rate, warmup, measured) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::answer::{Effort, Limit, Objective};
    use crate::experiment::sites::mm1;
    use crate::experiment::tests::{answer, row, sandwich, study};
    use crate::outcome::Cause;
    use crate::site::{Listen, Site, WorkerKind};

    /// One sync worker that carries ten requests a second, behind a backlog of 100 that refuses
    /// connections when full, and clients with this patience.
    fn refusing(patience_s: u64) -> Site {
        let mut site = mm1(1.0, 10.0);
        (site.front.listen, site.front.backlog) = (Listen::Unix, Some(100));
        site.client.patience = Some(Span::from_whole_secs(patience_s));
        site
    }

    /// M/M/1/102 at twice its capacity: half of the requests are refused, and the others wait for
    /// the 101 before them, 10.2 s with a standard deviation of a second.
    #[test]
    fn an_overload_is_told_as_it_is_once_the_backlog_is_full() {
        let finding = row(refusing(60), 20.0).finding;
        let (errors, p95) = (finding.error_rate, finding.p95.unwrap());
        assert!(finding.saturated && !finding.grows);
        assert!((errors.mean - 0.5).abs() < 4.0 * errors.standard_error.unwrap(), "{errors:?}");
        assert!((p95.mean - 11.8).abs() < 4.0 * p95.standard_error.unwrap() + 0.1, "{p95:?}");
        assert!(finding.warmup.as_secs() > 101.0 / 10.0 + 60.0, "{:?}", finding.warmup);
    }

    /// Clients that find a small backlog full retry, for longer than a first look takes. A worker
    /// that is never idle answers 66 requests a second. (A request in the backlog waits for a
    /// second, and the last retry before the end of patience is earlier than that.)
    #[test]
    fn an_overload_is_told_as_it_is_once_those_who_knock_again_have_begun_to_give_up() {
        let mut site = mm1(1.0, 66.0);
        (site.front.listen, site.front.backlog) = (Listen::Tcp, Some(64));
        site.client.patience = Some(Span::from_whole_secs(15));
        let errors = row(site, 140.0).finding.error_rate;
        let off = errors.mean - (1.0 - 66.0 / 140.0);
        assert!(off.abs() < 4.0 * errors.standard_error.unwrap(), "{errors:?}");
    }

    /// Clients have less patience than a full backlog takes: only requests that arrive before it is
    /// half full are answered.
    #[test]
    fn none_is_answered_in_an_overload_whose_backlog_takes_longer_than_patience() {
        let finding = row(refusing(5), 20.0).finding;
        assert_eq!((finding.p95, finding.error_rate.mean, finding.grows), (None, 1.0, false));
        let [refused, gone] =
            [Cause::Backlog, Cause::Patience].map(|it| finding.errors[it as usize]);
        assert!((refused - 0.5).abs() < 0.05 && (refused + gone - 1.0).abs() < 1e-9, "{refused}");
    }

    /// Without a backlog limit requests go on piling up, and every client gives up.
    #[test]
    fn none_is_answered_in_an_overload_that_only_patience_limits() {
        let mut site = refusing(5);
        site.front.backlog = None;
        let finding = row(site, 20.0).finding;
        assert_eq!((finding.p95, finding.error_rate.mean, finding.grows), (None, 1.0, false));
    }

    /// In nine seconds with ten requests more than are carried in each, the backlog does not fill,
    /// but the first clients give up: how many do depends on how long is simulated.
    #[test]
    fn while_a_crowd_piles_up_nothing_is_told_of_times_and_errors() {
        let mut study = study(refusing(5), Objective::default(), &[20.0]);
        let (warmup, measured) = (Span::from_whole_secs(1), Span::from_whole_secs(8));
        study.effort = Effort::Fixed { replications: 8, warmup, measured };
        let finding = answer(&study, false, 2).rows.remove(0).finding;
        assert!((0.05..0.95).contains(&finding.error_rate.mean), "{:?}", finding.error_rate);
        assert!(finding.saturated && finding.grows);
    }

    /// With one request a second more than are carried, a backlog of 30,000 takes eight hours to
    /// fill: 330,000 arrivals. A row simulates 156,250 of each replication at most.
    #[test]
    fn an_overload_that_does_not_settle_within_the_bound_is_said_to_grow() {
        let mut site = refusing(1);
        (site.front.backlog, site.client.patience) = (Some(30_000), None);
        let finding = row(site, 11.0).finding;
        let simulated = (finding.warmup + finding.measured).as_secs() * 11.0;
        assert!(finding.saturated && finding.grows && simulated < 156_251.0, "{simulated}");
    }

    /// Three workers that share one core: it is 94 % busy, and they spend 5/8 of their time on
    /// their own requests (mean value analysis). So the core is the limit, and not the workers or
    /// the backlog, even when no request is answered in time any more.
    #[test]
    fn what_gives_way_is_the_same_when_an_overload_has_lasted() {
        let mut site = sandwich(WorkerKind::Sync, 3, 1, [0.01, 0.02, 0.01]);
        (site.front.listen, site.front.backlog) = (Listen::Unix, Some(700));
        site.client.patience = Some(Span::from_whole_secs(10));
        let finding = row(site, 60.0).finding;
        assert_eq!((finding.p95, finding.error_rate.mean), (None, 1.0));
        assert!(finding.errors[Cause::Backlog as usize] > 0.1);
        assert_eq!(finding.bottleneck, Limit::Cores);
        assert!(finding.slow_request.is_none() && finding.spent().is_some());
    }
}
