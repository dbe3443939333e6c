//! Code that has not run for a while, and what it costs more for that.
//!
//! The caches of a core, of memory and of branches taken, hold what ran last. The same empty request
//! costs a server 0.2 ms of CPU where one follows the other, and 1 ms where 50 ms lie between them;
//! and so does a query's in the database (`tests/data/recorded/epyc/bare.csv`). In between it rises
//! with the time since code of the same kind ran: asleep, or at what the application computes, which
//! goes round in a small loop of its own and is not what gets cold.

use super::program::Amount;
use super::request::RequestId;
use super::scope::Scope;
use super::{HOST, World};
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

impl<S: Scope> World<'_, S> {
    /// What the stack's part of `amount` costs beyond its work. Half of it comes before what the
    /// request computes, and half of it behind that.
    #[inline(never)]
    pub(super) fn cold_stack(&mut self, id: RequestId, amount: Amount) -> Span {
        let before = self.now - self.code_ran.stack;
        let Some(index) = amount.drawn else { return self.chilled(HOST, amount.known, before) };
        let (half, meanwhile) = (amount.known.scaled(0.5), self.requests.demand(id, index));
        self.chilled(HOST, half, before) + self.chilled(HOST, half, meanwhile)
    }

    /// What so much of a dispatcher's work costs beyond it: all of it is the stack's.
    #[inline(never)]
    pub(super) fn cold_dispatch(&mut self, work: Span) -> Span {
        self.chilled(HOST, work, self.now - self.code_ran.dispatcher)
    }

    /// What a query of that much work costs the database beyond it.
    #[inline(never)]
    pub(super) fn cold_query(&mut self, work: Span) -> Span {
        self.chilled(self.database_host, work, self.now - self.code_ran.database)
    }

    /// What so much code costs on `host` beyond its work where none of its kind has run for so long.
    fn chilled(&mut self, host: usize, code: Span, away: Span) -> Span {
        let own = self.site.database.host.as_ref().filter(|_| host != HOST);
        let cooling = own.unwrap_or(&self.site.host).cooling;
        let more = cooling.map_or(Span::ZERO, |cooling| cooling.chill(code, away));
        self.probe.chilled(host, more);
        more
    }
}
