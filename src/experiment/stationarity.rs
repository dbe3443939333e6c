//! Whether a sample shows the steady state, or a site whose number of requests inside grows.

use crate::experiment::answer::LOSS;
use crate::experiment::demand::heavy_traffic_variability;
use crate::experiment::horizon::patience;
use crate::experiment::sample::Sample;
use crate::experiment::summary::Summary;
use crate::outcome::{Cause, Stopped};
use crate::site::Listen;

/// Growth of the number inside by more than this share of the arrivals counts as growth for good:
/// half of the search's resolution of 1 %, so that growth alone cannot move an answer by a whole
/// step.
pub(crate) const GROWTH: f64 = 0.005;

/// A site that starts empty at the very edge of what it sustains grows for as long as one looks: in
/// n arrivals, after a quarter as many of warm-up, by this many times their root with exponential
/// gaps and work. (Its number inside is a random walk, reflected at zero, whose mean after k
/// arrivals is 2 √(k / π): 2 / √π · (√1.25 - √0.25).)
const EDGE: f64 = 0.70;

/// A window must be at least this many memories long (see [`Sample::memories`]).
const MEMORIES: f64 = 8.0;

/// How much of the empty start may be left, as a share of the window's mean: 0.12 %. That is what
/// is left in a window of [`MEMORIES`] after a warm-up of a quarter of it, of e^-4 at its opening.
const RESIDUE: f64 = 1.2e-3;

impl Sample {
    /// Whether the number inside grows: significantly, by more than [`GROWTH`], and by more than at
    /// the edge of what is sustained. Or so many were inside that a run was ended.
    pub(crate) fn piles_up(&self) -> bool {
        let surely = self.mean(Summary::growth).interval().is_none_or(|(low, _)| low > 0.0);
        (self.grows() && surely || self.crowded()) && !self.is_beyond_reach()
    }

    /// Whether the mean growth of the number inside is more than [`GROWTH`] and than that at the
    /// edge of what is sustained.
    pub(crate) fn grows(&self) -> bool {
        self.mean(Summary::growth).mean > GROWTH.max(self.edge())
    }

    /// Whether growth is obvious, however short the window.
    pub(crate) fn runs_away(&self) -> bool {
        let growth = self.mean(Summary::growth).interval();
        let grows = growth.is_some_and(|(low, _)| low > GROWTH + self.edge());
        (grows || self.crowded()) && !self.is_beyond_reach()
    }

    /// The growth per arrival, in a window as long as these, of a site at the edge of what it
    /// sustains.
    fn edge(&self) -> f64 {
        let arrived = self.arrived() as f64 / f64::from(self.replications());
        EDGE * heavy_traffic_variability(&self.site) / arrived.max(1.0).sqrt()
    }

    /// Whether a run ended early because as many requests were inside as the simulator allows.
    pub(crate) fn crowded(&self) -> bool {
        self.summaries.iter().any(|summary| summary.stopped == Some(Stopped::InFlight))
    }

    /// Whether every request failed: then it can get no worse, whatever piles up.
    pub(crate) fn is_lost(&self) -> bool {
        self.summaries.iter().all(|it| it.counts.failures() == it.counts.arrived)
    }

    /// Whether the row of an overload would show a transient: requests still pile up; or more than
    /// [`LOSS`] of them waited in vain, and the warm-up was shorter than [`patience`], so that
    /// clients that retry at a full backlog, and compete with new ones, had not yet begun to give
    /// up.
    pub(crate) fn is_transient(&self) -> bool {
        let waited = [Cause::Backlog, Cause::Timeout, Cause::Patience];
        let share = |it: &Summary| waited.map(|cause| it.share_lost(cause)).iter().sum();
        let early = self.site.horizon.warmup < patience(&self.site);
        self.piles_up() || early && self.mean(share).mean > LOSS
    }

    /// Whether the backlog was full, and the kernel dropped connections silently: clients then
    /// retry until their patience ends, beside later ones. How many do is steady only once the
    /// first ones have given up.
    pub(crate) fn refuses_silently(&self) -> bool {
        let full = |most: u32| {
            self.summaries.iter().any(|summary| summary.levels.backlog.peak > u64::from(most))
        };
        self.site.front.listen == Listen::Tcp && self.site.front.backlog.is_some_and(full)
    }

    /// Whether the windows are long against the site's memory of its past, and nothing grows: so
    /// that the replications show the steady state, not the empty start.
    pub(crate) fn settled(&self) -> bool {
        !self.crowded()
            && self.mean(Summary::growth).interval().is_some_and(|(_, high)| high <= GROWTH)
            && self.memories() >= MEMORIES
            && self.residue() <= RESIDUE
    }

    /// What is left of the empty start in the window's mean, as a share: e^(-w/τ) τ / m for a
    /// warm-up w, a window m and a relaxation time τ. A window holds m / (2 τ) memories (see
    /// [`Sample::memories`]).
    fn residue(&self) -> f64 {
        let horizon = self.site.horizon;
        let windows = 2.0 * self.memories();
        let warmups = windows * (horizon.warmup.as_secs() / horizon.measured.as_secs());
        if windows.is_finite() { (-warmups).exp() / windows } else { 0.0 }
    }

    /// How many memories a window holds: the variance of the number inside, over the variance of
    /// its mean over a window. If a window holds n independent observations of that number, its
    /// mean has an n-th of the variance. Near saturation the number changes so slowly that a short
    /// window is one observation, and replications that all began empty agree on too low a figure.
    /// Infinite where no arrival found another request inside.
    fn memories(&self) -> f64 {
        let mean = self.mean(|summary| summary.seen.0).mean;
        if mean <= 0.0 {
            return f64::INFINITY;
        }
        let variance = self.mean(|summary| summary.seen.1).mean - mean * mean;
        let inside = self.mean(|summary| summary.levels.inside.mean);
        let between = inside.standard_error.unwrap_or(0.0).powi(2) * f64::from(inside.replications);
        if between > 0.0 { variance / between } else { f64::INFINITY }
    }
}
