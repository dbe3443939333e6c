//! What every event needs to know of a site, worked out once.

use super::World;
use super::scope::Scope;
use crate::site::{Accept, Arrivals, Dispatcher, FirstRequest, Host, Sharing, Site, WorkerKind};
use crate::units::{Bytes, Span};

/// The rules by which workers take requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// One backlog feeds all workers, one request each (sync): then it does not matter which of the
    /// idle ones takes the next.
    pub one_queue: bool,
    /// A worker of the one queue that is done goes on with the first request in the backlog at
    /// once. (Not where its memory changes in between, for it might be killed over that.)
    pub hands_over: bool,
    /// Chance decides which process accepts a connection.
    pub draws_acceptor: bool,
    /// A worker has more than one request, and they contend for its turn.
    pub shares_turn: bool,
    /// See [`crate::site::Server::goes_on_in_turn`].
    pub goes_on_in_turn: bool,
    /// See [`crate::site::Horizon`].
    pub in_flight_limit: usize,
    pub arrivals_limit: u64,
    /// What not every site has; see [`World::features`].
    features: Features,
}

/// Which waiter gets a worker's turn when it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnGoesTo {
    /// The first in the queue: of a loop, or a textbook's GIL.
    First,
    /// The thread that has slept longest: CPython's GIL, where threads wake up as in Linux.
    LongestAsleep,
    /// Any: CPython's GIL, where cores are shared fairly.
    Any,
}

/// What not every site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    /// Whether workers have a dispatcher.
    pub dispatches: bool,
    /// Whether the dispatcher has something to do after the answer.
    pub closes_later: bool,
    /// Each process has a listening socket, and a backlog, of its own.
    pub per_process: bool,
    /// Threads behind a dispatcher need a core to ask for the GIL, and each goes back to its own:
    /// where cores are shared as Linux does.
    pub threads_wake: bool,
    /// Which waiter gets a worker's turn when it is free.
    pub turn_goes_to: TurnGoesTo,
    /// The dispatcher's costs, where there is one.
    pub dispatcher: Option<Dispatcher>,
    /// A worker refuses a request with which it would have this many.
    pub limit_concurrency: Option<u32>,
    /// Events come from more than the workers' cores, the agenda and the tape: from cores of the
    /// database's own, or from deadlines.
    pub has_deadlines_or_second_host: bool,
    /// A worker's burst may take CPU beyond what its request asks for.
    pub has_extra_burst_cpu: bool,
    /// Requests take memory, or leave some behind.
    pub uses_memory: bool,
    /// Code costs more where it has not run for long.
    pub goes_cold: bool,
    /// CPU of the workers' host before a request connects: of a client on that host that sends it,
    /// and of Nginx.
    pub front_cpu: Span,
    /// CPU of such a client to take the answer.
    pub client_cpu: Span,
    /// CPU of each idle worker that a connection wakes in vain.
    pub herd_cpu: Span,
    /// The way from the client to the site and back.
    pub round_trip: Span,
}

impl Features {
    /// The features of a site that has none.
    const NONE: Features = Features {
        dispatches: false,
        closes_later: false,
        per_process: false,
        threads_wake: false,
        turn_goes_to: TurnGoesTo::First,
        dispatcher: None,
        limit_concurrency: None,
        has_deadlines_or_second_host: false,
        has_extra_burst_cpu: false,
        uses_memory: false,
        goes_cold: false,
        front_cpu: Span::ZERO,
        client_cpu: Span::ZERO,
        herd_cpu: Span::ZERO,
        round_trip: Span::ZERO,
    };

    /// The features of `site`.
    fn of(site: &Site) -> Features {
        let dispatcher = site.server.kind.dispatcher();
        let client_cpu = site.client.cpu.scaled(0.5);
        let has_slices = matches!(site.host.sharing, Sharing::Slices { .. });
        let has_first = site.server.first_request != FirstRequest::LIKE_ANY;
        let mut endpoints = site.traffic.endpoints.iter();
        Features {
            dispatches: dispatcher.is_some(),
            closes_later: dispatcher.is_some_and(|its| !its.finish_cpu.is_zero()),
            per_process: site.server.accept == Accept::PerProcess,
            threads_wake: dispatcher.is_some() && has_slices,
            turn_goes_to: match (dispatcher.is_some(), has_slices) {
                (false, _) => TurnGoesTo::First,
                (true, true) => TurnGoesTo::LongestAsleep,
                (true, false) => TurnGoesTo::Any,
            },
            dispatcher,
            limit_concurrency: limit_concurrency(site),
            has_deadlines_or_second_host: site.database.host.is_some()
                || site.client.patience.is_some()
                || site.front.read_timeout.is_some()
                || site.server.timeout.is_some(),
            has_extra_burst_cpu: has_first || !site.server.touch_cpu.is_zero(),
            uses_memory: has_first || endpoints.any(|one| one.memory + one.growth > Bytes::ZERO),
            goes_cold: goes_cold(site),
            front_cpu: site.front.nginx_cpu + client_cpu,
            client_cpu,
            herd_cpu: site.server.herd_cpu,
            round_trip: site.client.round_trip,
        }
    }
}

impl Rules {
    /// The rules of `site`.
    pub(super) fn of(site: &Site) -> Rules {
        let is_sync = site.server.kind == WorkerKind::Sync;
        let one_queue = is_sync && matches!(site.server.accept, Accept::Shared { .. });
        let features = Features::of(site);
        Rules {
            one_queue,
            hands_over: one_queue && !features.uses_memory,
            draws_acceptor: site.server.workers > 1 && !one_queue,
            shares_turn: !is_sync,
            goes_on_in_turn: site.server.goes_on_in_turn(),
            in_flight_limit: site.horizon.in_flight_limit as usize,
            arrivals_limit: site.horizon.arrivals_limit,
            features,
        }
    }
}

impl<S: Scope> World<'_, S> {
    /// What the site has that not every site has. In a world compiled for none of it, the compiler
    /// knows that.
    #[inline(always)]
    pub(super) fn features(&self) -> &Features {
        if S::PLAIN { &Features::NONE } else { &self.rules.features }
    }
}

/// Whether a site can be simulated as a [`crate::model::scope::Plain`] one.
pub(super) fn is_plain(site: &Site) -> bool {
    let is_plain = |host: &Host| host.sharing == Sharing::Fair && host.memory.is_none();
    let is_drawn = site.traffic.arrivals == Arrivals::Poisson;
    is_drawn && Features::of(site) == Features::NONE && hosts(site).all(is_plain)
}

/// The workers' host and, where it has one, the database's own.
fn hosts(site: &Site) -> impl Iterator<Item = &Host> {
    std::iter::once(&site.host).chain(&site.database.host)
}

/// Whether any code costs more where it is cold.
fn goes_cold(site: &Site) -> bool {
    let stack = site.server.costs.cold_code.unwrap_or_default();
    hosts(site).filter_map(|host| host.cooling).any(|cooling| cooling.code.max(stack) > 0.0)
}

/// With how many requests a worker refuses the one that just came.
fn limit_concurrency(site: &Site) -> Option<u32> {
    match site.server.kind {
        WorkerKind::Async { limit_concurrency } => limit_concurrency,
        WorkerKind::Sync | WorkerKind::Threads { .. } => {
            site.server.kind.dispatcher().and_then(|its| its.limit_concurrency)
        }
    }
}
