//! Code that has not run for a while, and what it costs more for that.
//!
//! The caches of a core, of memory and of branches taken, hold what ran last. The same empty request
//! costs a server 0.2 ms of CPU where one follows the other, and 1 ms where 50 ms lie between them;
//! and so does a query's in the database (`tests/data/recorded/epyc/bare.csv`). In between it rises
//! with the time since code of the same kind ran: asleep, or at what the application computes, which
//! goes round in a small loop of its own and is not what gets cold. Other processes of the same server
//! keep only that warm which they share.

use super::program::Amount;
use super::request::RequestId;
use super::scope::Scope;
use super::{WORKERS_HOST, World};
use crate::site::Cooling;
use crate::units::{Span, Time};

/// When code last ran, of each kind.
#[derive(Debug)]
pub(super) struct CodeRan {
    /// The stack's, in any worker.
    pub stack: Time,
    /// That of those who hand requests to threads.
    pub dispatcher: Time,
    /// The database's, in any connection.
    pub database: Time,
}

impl CodeRan {
    /// None has run yet.
    pub(super) const NEVER: CodeRan =
        CodeRan { stack: Time::ZERO, dispatcher: Time::ZERO, database: Time::ZERO };
}

/// How much of what the stack's code goes through is its own process's, Python's objects and what it
/// makes of the sources, and not the interpreter's, which all processes share. Measured on the EPYC
/// (`tests/testbed/probes/cold.py`): empty requests 2 ms apart cost one sync worker of gunicorn 0.62 ms,
/// three by turns 0.91, and six 1.01; one of them 0.3 where no time lies between them, and 1.3 where it
/// is 50 ms.
const OWN: f64 = 0.7;

/// The work of a query that is code, which goes cold: to receive it, plan it, and find the first row. One
/// that needs longer goes round in loops over rows, as an endpoint does in what it computes. The queries
/// that were measured, cold and warm, take 0.06 to 0.09 ms where they are warm.
const QUERY_CODE: Span = Span::from_micros(100);

impl<S: Scope> World<'_, S> {
    /// What the stack's part of `amount` costs beyond its work. Half of it comes before what the
    /// endpoint computes, and half of it behind that, where the first half has left it warm but for the
    /// time that the computing took: none, where nothing is computed. (With what the stacks cost in
    /// `scenarios/testbed-epyc.toml`, empty requests that come one at a time take 1.6 ms of gunicorn's
    /// sync workers' CPU by that, 1.0 of uvicorn's and 1.4 of FastAPI's; 1.3, 1.0 and 1.3 were measured,
    /// `bare.csv`. Were both halves as cold as the first, it would be 2.3, 1.5 and 2.2.)
    #[inline(never)]
    pub(super) fn cold_stack(&mut self, id: RequestId, amount: Amount) -> Span {
        let Some(cooling) = self.site.host.cooling else { return Span::ZERO };
        let before = self.cold_process(cooling, self.requests[id].worker);
        let drawn = self.amount(id, amount) - amount.known;
        let endpoint_cpu = drawn + amount.endpoint_cpu;
        let share = (before + endpoint_cpu.decayed_share(cooling.over)) / 2.0;
        self.cold_extra(
            WORKERS_HOST,
            amount.known - amount.endpoint_cpu,
            self.stack_chills(cooling),
            share,
        )
    }

    /// The stack's code has run in a worker until now.
    #[inline]
    pub(super) fn stack_ran(&mut self, index: u32) {
        self.code_ran.stack = self.now;
        self.workers[index as usize].ran = self.now;
    }

    /// The endpoint is done, and the stack's code makes an answer of it. What that takes, warm or cold, is
    /// reckoned with what comes before the endpoint, but now is when it runs: whatever the endpoint ended
    /// with.
    #[inline(never)]
    pub(super) fn mark_stack_ran(&mut self, id: RequestId) -> bool {
        self.stack_ran(self.requests[id].worker);
        self.step_on(id)
    }

    /// How cold the stack's code is in a worker, from 0 to 1.
    fn cold_process(&self, cooling: Cooling, index: u32) -> f64 {
        let away = |ran: Time| (self.now - ran).decayed_share(cooling.over);
        let (any, own) = (self.code_ran.stack, self.workers[index as usize].ran);
        match any == own {
            true => away(own),
            false => (1.0 - OWN) * away(any) + OWN * away(own),
        }
    }

    /// How much more the stack's code costs where it is cold.
    fn stack_chills(&self, cooling: Cooling) -> f64 {
        self.site.server.costs.cold_code.unwrap_or(cooling.code)
    }

    /// What so much of a dispatcher's work costs beyond it: all of it is the stack's.
    #[inline(never)]
    pub(super) fn cold_dispatch(&mut self, work: Span) -> Span {
        let Some(cooling) = self.site.host.cooling else { return Span::ZERO };
        let share = (self.now - self.code_ran.dispatcher).decayed_share(cooling.over);
        self.cold_extra(WORKERS_HOST, work, self.stack_chills(cooling), share)
    }

    /// What a query of that much work costs the database beyond it.
    #[inline(never)]
    pub(super) fn cold_query(&mut self, work: Span) -> Span {
        let host = self.database_host;
        let Some(cooling) = self.host(host).cooling else { return Span::ZERO };
        let share = (self.now - self.code_ran.database).decayed_share(cooling.over);
        self.cold_extra(host, work.min(QUERY_CODE), cooling.code, share)
    }

    /// What `work` costs on `host` beyond itself where its code is so cold, from 0 to 1: at most so many
    /// times as much again.
    fn cold_extra(&mut self, host: usize, work: Span, times: f64, share: f64) -> Span {
        let more = work.scaled(times * share);
        self.probe.cold_cpu(host, more);
        more
    }
}
