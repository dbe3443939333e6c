//! What becomes of an overload that lasts.
//!
//! Its beginning tells how long was simulated and no more: a crowd piles up, until a backlog is full
//! and who comes is turned away, or until all who come wait for longer than they have patience. What it
//! comes to then is what a visitor meets, and what a row tells, if it comes to that within the bound.

use crate::experiment::demand::most_inside;
use crate::experiment::goal::ArrivalLimits;
use crate::experiment::horizon::{DRAIN, in_rounds, patience};
use crate::experiment::lab::{Lab, horizon};
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::site::Horizon;
use crate::units::Span;

/// A row whose crowd piles up is looked at again so many times at most, each time later.
const LATER_LOOKS: u32 = 3;

/// The window of a later look, as a share of its warm-up.
const LATER_WINDOW: f64 = 0.25;

/// At most so long, as a share of the longest window of a row: what takes longer to fill than that is
/// hardly more than is carried, and that it grows is what there is to say.
const LATEST: f64 = 0.5;

/// Until a crowd is as large as it gets takes a little longer than it did so far, for luck.
const FILLING: f64 = 1.05;

impl Lab<'_> {
    /// What becomes of an overload that lasts, of which `sample` is but the beginning: looked at later
    /// and later, until the crowd is as large as it gets (a backlog is full) or, where nothing limits
    /// it, all is lost to impatience; or as far as the bound on a row's effort goes.
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

    /// Warm-up and window of a later look than `sample`: the warm-up spans what it takes a crowd that
    /// piles up until no more are let in, or until whoever comes waits for longer than his patience, and
    /// then the patience of those who came before. It goes on until those are answered who have to wait
    /// for all of that crowd. `None` where that takes longer than is worthwhile.
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

    /// One sync worker, of ten a second, behind a backlog of 100 that refuses who finds it full, and
    /// visitors with so much patience.
    fn refusing(patience_s: u64) -> Site {
        let mut site = mm1(1.0, 10.0);
        (site.front.listen, site.front.backlog) = (Listen::Unix, Some(100));
        site.client.patience = Some(Span::from_whole_secs(patience_s));
        site
    }

    /// M/M/1/102 at twice what it carries: half are refused, and the others wait for the 101 before them,
    /// 10.2 s with a standard deviation of a second.
    #[test]
    fn an_overload_is_told_as_it_is_once_the_backlog_is_full() {
        let finding = row(refusing(60), 20.0).finding;
        let (errors, p95) = (finding.error_rate, finding.p95.unwrap());
        assert!(finding.saturated && !finding.grows);
        assert!((errors.mean - 0.5).abs() < 4.0 * errors.standard_error.unwrap(), "{errors:?}");
        assert!((p95.mean - 11.8).abs() < 4.0 * p95.standard_error.unwrap() + 0.1, "{p95:?}");
        assert!(finding.warmup.as_secs() > 101.0 / 10.0 + 60.0, "{:?}", finding.warmup);
    }

    /// The kernel lets those who find a small backlog full knock again, for longer than a first look
    /// takes: a worker that is never idle answers 66 a second, of whoever comes. (Who got in has a
    /// second to wait; the next try is further from the end of patience than that.)
    #[test]
    fn an_overload_is_told_as_it_is_once_those_who_knock_again_have_begun_to_give_up() {
        let mut site = mm1(1.0, 66.0);
        (site.front.listen, site.front.backlog) = (Listen::Tcp, Some(64));
        site.client.patience = Some(Span::from_whole_secs(15));
        let errors = row(site, 140.0).finding.error_rate;
        let off = errors.mean - (1.0 - 66.0 / 140.0);
        assert!(off.abs() < 4.0 * errors.standard_error.unwrap(), "{errors:?}");
    }

    /// The same visitors as at first, with less patience than it takes to come through: only those
    /// who come before the backlog is half full are answered.
    #[test]
    fn nobody_is_answered_in_an_overload_whose_backlog_takes_longer_than_visitors_have_patience() {
        let finding = row(refusing(5), 20.0).finding;
        assert_eq!((finding.p95, finding.error_rate.mean, finding.grows), (None, 1.0, false));
        let [refused, gone] =
            [Cause::Backlog, Cause::Patience].map(|it| finding.errors[it as usize]);
        assert!((refused - 0.5).abs() < 0.05 && (refused + gone - 1.0).abs() < 1e-9, "{refused}");
    }

    /// Without a limit on the crowd it goes on piling up, but nobody who comes has the patience.
    #[test]
    fn nobody_is_answered_in_an_overload_that_nothing_limits_but_patience() {
        let mut site = refusing(5);
        site.front.backlog = None;
        let finding = row(site, 20.0).finding;
        assert_eq!((finding.p95, finding.error_rate.mean, finding.grows), (None, 1.0, false));
    }

    /// In eight seconds from the first on, at ten more than are carried each, the backlog does not fill,
    /// but the first lose patience: how many depends on how long one looks.
    #[test]
    fn while_a_crowd_piles_up_nothing_is_told_of_times_and_errors() {
        let mut study = study(refusing(5), Objective::default(), &[20.0]);
        let (warmup, measured) = (Span::from_whole_secs(1), Span::from_whole_secs(8));
        study.effort = Effort::Fixed { replications: 8, warmup, measured };
        let finding = answer(&study, false, 2).rows.remove(0).finding;
        assert!((0.05..0.95).contains(&finding.error_rate.mean), "{:?}", finding.error_rate);
        assert!(finding.saturated && finding.grows);
    }

    /// At one more than is carried a second, a backlog of 30,000 takes eight hours to fill: 330,000
    /// arrivals, and a row looks at 156,250 of each replication at most, and at as many again.
    #[test]
    fn an_overload_that_does_not_settle_within_the_bound_is_said_to_grow() {
        let mut site = refusing(1);
        (site.front.backlog, site.client.patience) = (Some(30_000), None);
        let finding = row(site, 11.0).finding;
        let simulated = (finding.warmup + finding.measured).as_secs() * 11.0;
        assert!(finding.saturated && finding.grows && simulated < 156_251.0, "{simulated}");
    }

    /// Three workers that crowd a core: it is 94 % busy, and they spend 5/8 of their time on their own
    /// requests (mean value analysis). That nobody is answered any more does not make them too few, nor
    /// the backlog too small.
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
