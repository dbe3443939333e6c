//! The requests of a run: when each arrives and what it wants, drawn whole before it arrives, from
//! one stream of random numbers per purpose.
//!
//! So a plan with another number of workers, connections or cores faces the same requests wanting
//! the same work at the same instants; and another rate, the same requests closer together.

use super::drawn_tape::DrawnTape;
use super::program::Program;
use super::repeated_trace::RepeatedTrace;
use super::request::DemandSlots;
use crate::outcome::Cause;
use crate::seed::Seed;
use crate::site::{Arrivals, Site};
use crate::units::Time;

/// A request as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Time,
    /// The endpoint it asks for, as an index of the site's.
    pub endpoint: u16,
}

impl Arrival {
    /// A request that never arrives.
    pub(in crate::model) const NEVER: Arrival = Arrival { at: Time::NEVER, endpoint: 0 };
}

/// How a request ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// When the client first tried.
    pub arrived: Time,
    /// When it had its answer, or learned that there would be none, or gave up; `None` if the run
    /// ended before.
    pub ended: Option<Time>,
    /// Why it failed; `None` if it was answered well.
    pub failed: Option<Cause>,
    /// Whether the server itself answered with an error page: a connection that only closes has
    /// none, and Nginx has its own.
    pub error_page: bool,
}

/// The requests of a run, in order of arrival.
pub(in crate::model) trait Tape {
    /// The next request, and into `demands` what it wants, in the order of its program's draws
    /// (there is room for the longest); `None` at the end of the tape.
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival>;

    /// Takes note of how the request with this number (counted from 0, modulo 2^32) ended.
    fn note(&mut self, _number: u32, _reply: Reply) {}
}

/// The requests of a site: drawn, or those of its trace. One type for both, so that there is one
/// simulated world to compile: of two the compiler inlines less, and a drawn request takes 30 to 80
/// instructions more; to tell which it is takes 10.
pub(in crate::model) enum SiteTape<'a> {
    Drawn(Box<DrawnTape>),
    Repeated(RepeatedTrace<'a>),
}

impl<'a> SiteTape<'a> {
    /// The tape of `site` under `seed`, for requests that follow `programs`.
    pub(in crate::model) fn new(site: &'a Site, programs: &[Program], seed: Seed) -> SiteTape<'a> {
        match &site.traffic.arrivals {
            Arrivals::Poisson => SiteTape::Drawn(Box::new(DrawnTape::new(site, programs, seed))),
            Arrivals::Recorded(trace) => {
                SiteTape::Repeated(RepeatedTrace::new(site, trace, programs, seed))
            }
        }
    }
}

impl Tape for SiteTape<'_> {
    #[inline(always)]
    fn next(&mut self, demands: DemandSlots<'_>) -> Option<Arrival> {
        match self {
            SiteTape::Drawn(drawn) => drawn.next(demands),
            SiteTape::Repeated(trace) => trace.next(demands),
        }
    }
}
