//! Code that has not run for a while, and what it costs more for that.
//!
//! The caches of a core, of memory and of branches taken, hold what ran last. The same empty request
//! costs a server 0.2 ms of CPU where one follows the other, and 1 ms where 50 ms lie between them;
//! and so does a query's in the database (`tests/data/recorded/epyc/bare.csv`). In between it rises
//! with the time since code of the same kind ran: asleep, or at what the application computes, which
//! goes round in a small loop of its own and is not what gets cold.

use super::processor::Processor;
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
    pub(super) fn cold_stack(&self, id: RequestId, amount: Amount) -> Span {
        let cores = &self.cores[HOST];
        let before = self.now - self.code_ran.stack;
        match amount.drawn {
            None => cores.chill(amount.known, before),
            Some(index) => {
                let half = amount.known.scaled(0.5);
                cores.chill(half, before) + cores.chill(half, self.requests.demand(id, index))
            }
        }
    }

    /// What so much of a dispatcher's work costs beyond it: all of it is the stack's.
    pub(super) fn cold_dispatch(&self, work: Span) -> Span {
        self.cores[HOST].chill(work, self.now - self.code_ran.dispatcher)
    }

    /// What a query of that much work costs the database beyond it.
    pub(super) fn cold_query(&self, work: Span) -> Span {
        self.cores[self.database_host].chill(work, self.now - self.code_ran.database)
    }
}
