//! What every event asks of a site, worked out once.

use super::World;
use super::scope::Scope;
use crate::site::{Accept, Arrivals, Dispatcher, FirstRequest, Host, Sharing, Site, WorkerKind};
use crate::units::{Bytes, Span};

/// The rules by which workers take requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The kernel's one queue feeds all workers, one request each (sync): then it does not matter
    /// which of the idle ones takes the next.
    pub one_queue: bool,
    /// A worker of the one queue that is done goes on with the first in the backlog at once: its
    /// memory, which might cost it its life, does not change in between.
    pub hands_over: bool,
    /// Chance decides which process accepts a connection.
    pub draws_acceptor: bool,
    /// The requests of a worker contend for its turn: it has more than one.
    pub shares_turn: bool,
    /// See [`crate::site::Server::goes_on_in_turn`].
    pub goes_on_in_turn: bool,
    /// See [`crate::site::Horizon`].
    pub in_flight_limit: usize,
    pub arrivals_limit: u64,
    /// What not every site has. Asked for by way of [`World::features`].
    features: Features,
}

/// What not every site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    /// Whether there is a dispatcher, and whether it has something to do after the answer.
    pub dispatches: bool,
    pub closes_later: bool,
    /// Each process has a listening socket, and a backlog, of its own.
    pub per_process: bool,
    /// Threads that a dispatcher hands requests to need a core to ask for the GIL, and each goes
    /// back to its own: where cores are shared as Linux does.
    pub threads_wake: bool,
    /// Who hands requests to threads, where that takes time.
    pub dispatcher: Option<Dispatcher>,
    /// At this many requests in a worker, the one that just came included, it is refused.
    pub limit_concurrency: Option<u32>,
    /// There is more that something can come from than the host's cores, the agenda and the tape:
    /// cores of the database's own, or somebody whose patience ends.
    pub has_deadlines_or_second_host: bool,
    /// A worker's burst may take CPU beyond what its request asks for.
    pub has_extra_burst_cpu: bool,
    /// Requests take memory, or leave some behind.
    pub uses_memory: bool,
    /// Code costs more where it has not run for long.
    pub goes_cold: bool,
    /// What the host's cores do for a request before it knocks: a client on the same host that
    /// sends it, and Nginx.
    pub front_cpu: Span,
    /// What such a client needs to take the answer.
    pub client_cpu: Span,
    /// What each idle worker needs that a connection wakes in vain.
    pub herd_cpu: Span,
    /// The way to the site and back.
    pub round_trip: Span,
}

impl Features {
    /// Those of a site that has none.
    const NONE: Features = Features {
        dispatches: false,
        closes_later: false,
        per_process: false,
        threads_wake: false,
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

    /// Those of `site`.
    fn of(site: &Site) -> Features {
        let dispatcher = site.server.kind.dispatcher();
        let client_cpu = site.client.cpu.scaled(0.5);
        let has_first = site.server.first_request != FirstRequest::LIKE_ANY;
        let mut endpoints = site.traffic.endpoints.iter();
        Features {
            dispatches: dispatcher.is_some(),
            closes_later: dispatcher.is_some_and(|its| !its.finish_cpu.is_zero()),
            per_process: site.server.accept == Accept::PerProcess,
            threads_wake: dispatcher.is_some()
                && matches!(site.host.sharing, Sharing::Slices { .. }),
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
    /// Those of `site`.
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
    /// What the site has beyond every other. Where its world is compiled for none of that, that is
    /// known then.
    #[inline(always)]
    pub(super) fn features(&self) -> &Features {
        if S::PLAIN { &Features::NONE } else { &self.rules.features }
    }
}

/// Whether a site with requests that are drawn is a [`super::scope::Plain`] one.
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

/// How many requests a worker takes, where it refuses more.
fn limit_concurrency(site: &Site) -> Option<u32> {
    match site.server.kind {
        WorkerKind::Async { limit_concurrency } => limit_concurrency,
        WorkerKind::Sync | WorkerKind::Threads { .. } => {
            site.server.kind.dispatcher().and_then(|its| its.limit_concurrency)
        }
    }
}
