//! What every event asks of a site, worked out once.

use crate::site::{Accept, FirstRequest, Site, WorkerKind};
use crate::units::{Bytes, Span};

/// The rules by which workers take requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The kernel's one queue feeds all workers, one request each (sync): then it does not matter
    /// which of the idle ones takes the next.
    pub one_queue: bool,
    /// Chance decides which process accepts a connection.
    pub needs_chance: bool,
    /// The requests of a worker contend for its turn: it has more than one.
    pub shares_turn: bool,
    /// At this many requests in a worker, the one that just came included, it is refused.
    pub limit: Option<u32>,
    /// There is more that something can come from than the host's cores, the agenda and the tape:
    /// cores of the database's own, or somebody whose patience ends.
    pub has_more_sources: bool,
    /// A worker's burst may take CPU beyond what its request asks for.
    pub owes: bool,
    /// Requests take memory, or leave some behind.
    pub uses_memory: bool,
    /// What the host's cores do for a request before it knocks: a client on the same host that
    /// sends it, and Nginx.
    pub front_cpu: Span,
    /// What such a client needs to take the answer.
    pub client_cpu: Span,
}

impl Rules {
    /// Those of `site`.
    pub(super) fn of(site: &Site) -> Rules {
        let is_sync = site.server.kind == WorkerKind::Sync;
        let one_queue = is_sync && matches!(site.server.accept, Accept::Shared { .. });
        let limit = match site.server.kind {
            WorkerKind::Async { limit_concurrency } => limit_concurrency,
            WorkerKind::Sync | WorkerKind::Threads { .. } => None,
        };
        let mut endpoints = site.traffic.endpoints.iter();
        let client_cpu = site.client.cpu.scaled(0.5);
        let has_first = site.server.first_request != FirstRequest::LIKE_ANY;
        Rules {
            one_queue,
            needs_chance: site.server.workers > 1 && !one_queue,
            shares_turn: !is_sync,
            limit,
            has_more_sources: site.database.host.is_some()
                || site.client.patience.is_some()
                || site.front.read_timeout.is_some(),
            owes: has_first || !site.server.touch_cpu.is_zero(),
            uses_memory: has_first || endpoints.any(|one| one.memory + one.growth > Bytes::ZERO),
            front_cpu: site.front.nginx_cpu + client_cpu,
            client_cpu,
        }
    }
}
