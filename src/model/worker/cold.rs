//! Code that has not run for a while, and how much more CPU it takes for that.
//!
//! The caches of a core, of memory and of branches taken, hold what ran last. The same empty
//! request costs a server 0.2 ms of CPU where one follows the other, and 1 ms where 50 ms lie
//! between them; and so does a query's in the database (`tests/data/recorded/epyc/bare.csv`). In
//! between it rises with the time since code of the same kind ran: while the process sleeps, and
//! while the application computes, which goes round in a small loop of its own and does not go
//! cold. Other processes of the same server keep warm only what they share with it.

use crate::model::scope::Scope;
use crate::model::traffic::program::Amount;
use crate::model::traffic::request::RequestId;
use crate::model::{WORKERS_HOST, World};
use crate::site::Cooling;
use crate::units::{Span, Time};

/// When code of each kind last ran.
#[derive(Debug)]
pub(in crate::model) struct CodeRan {
    /// The stack's, in any worker.
    pub stack: Time,
    /// That of dispatchers, in any worker.
    pub dispatcher: Time,
    /// The database's, for any connection.
    pub database: Time,
}

impl CodeRan {
    /// None has run yet.
    pub(in crate::model) const NEVER: CodeRan =
        CodeRan { stack: Time::ZERO, dispatcher: Time::ZERO, database: Time::ZERO };
}

/// The share of the stack's code and data that each process has for itself, Python's objects and
/// what it makes of the sources, in contrast to the interpreter's, which all processes share.
/// Measured on the EPYC (`tests/testbed/probes/cold.py`): empty requests 2 ms apart cost one sync
/// worker of gunicorn 0.62 ms, three by turns 0.91, and six 1.01; one of them 0.3 where no time
/// lies between them, and 1.3 where it is 50 ms.
const OWN: f64 = 0.7;

/// The work of a query that is code, which goes cold: to receive it, plan it, and find the first
/// row. A longer query goes round in loops over rows, as an endpoint does in what it computes. The
/// queries that were measured, cold and warm, take 0.06 to 0.09 ms where they are warm.
const QUERY_CODE: Span = Span::from_micros(100);

impl<S: Scope> World<'_, S> {
    /// The CPU that the stack's part of `amount` costs beyond its work. Half of that part comes
    /// before what the endpoint computes, and half after it, where the first half has left the code
    /// warm but for the time of that computing. (With what the stacks cost in
    /// `scenarios/testbed-epyc.toml`, empty requests that come one at a time take 1.6 ms of
    /// gunicorn's sync workers' CPU by that, 1.0 of uvicorn's and 1.4 of FastAPI's; 1.3, 1.0 and
    /// 1.3 were measured, `bare.csv`. Were both halves as cold as the first, it would be 2.3, 1.5
    /// and 2.2.)
    #[inline(never)]
    pub(in crate::model) fn cold_stack(&mut self, id: RequestId, amount: Amount) -> Span {
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
    pub(in crate::model) fn stack_ran(&mut self, index: u32) {
        self.code_ran.stack = self.now;
        self.workers[index as usize].ran = self.now;
    }

    /// The endpoint is done, and the stack's code makes an answer of the result. Its CPU, warm or
    /// cold, is counted before the endpoint; but it runs now, whatever the endpoint ended with.
    #[inline(never)]
    pub(in crate::model) fn mark_stack_ran(&mut self, id: RequestId) -> bool {
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

    /// How many times as much again the stack's code costs where it is cold.
    fn stack_chills(&self, cooling: Cooling) -> f64 {
        self.site.server.costs.cold_code.unwrap_or(cooling.code)
    }

    /// The CPU that `work` of a dispatcher costs beyond it: all of it is the stack's code.
    #[inline(never)]
    pub(super) fn cold_dispatch(&mut self, work: Span) -> Span {
        let Some(cooling) = self.site.host.cooling else { return Span::ZERO };
        let share = (self.now - self.code_ran.dispatcher).decayed_share(cooling.over);
        self.cold_extra(WORKERS_HOST, work, self.stack_chills(cooling), share)
    }

    /// The CPU that a query of `work` costs the database beyond it.
    #[inline(never)]
    pub(in crate::model) fn cold_query(&mut self, work: Span) -> Span {
        let host = self.database_host;
        let Some(cooling) = self.host(host).cooling else { return Span::ZERO };
        let share = (self.now - self.code_ran.database).decayed_share(cooling.over);
        self.cold_extra(host, work.min(QUERY_CODE), cooling.code, share)
    }

    /// The CPU that `work` costs on `host` beyond it: `times` as much again where its code is
    /// wholly cold, and this `share` of that now.
    fn cold_extra(&mut self, host: usize, work: Span, times: f64, share: f64) -> Span {
        let more = work.scaled(times * share);
        self.probe.cold_cpu(host, more);
        more
    }
}
