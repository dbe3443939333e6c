//! What happens next: the earliest of what is due and of the next arrival.
//!
//! Of several events at one instant the order is: cores, agenda, patience, Nginx, gunicorn's
//! arbiter, tape.

use super::front::admission::ConnectOutcome;
use super::host_cores::HostCores;
use super::scope::Scope;
use super::traffic::request::{NO_REQUEST, RequestId};
use super::{Event, OWN_DATABASE_HOST, WORKERS_HOST, World};
use crate::outcome::Stopped;
use crate::units::Time;

/// What ends a stretch of a run, if its time is not over before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunUntil {
    /// Nothing but its time.
    End,
    /// The end of the tape.
    TapeEnd,
    /// All measured requests have ended.
    AllAnswered,
}

/// When the next event of each source is due, arrivals apart.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// The cores of the workers' host.
    host: Time,
    /// The cores of the database's own host.
    database: Time,
    agenda: Time,
    /// The first of these and of all deadlines.
    first: Time,
}

impl<S: Scope> World<'_, S> {
    /// Handles what happens before `end`, for as long as `until` says.
    pub(super) fn run_until(&mut self, until: RunUntil, end: Time) {
        self.end = if self.stopped.is_none() { end } else { self.now };
        loop {
            let goes_on = match until {
                RunUntil::End => true,
                RunUntil::TapeEnd => self.next_arrival.at < Time::NEVER,
                RunUntil::AllAnswered => {
                    self.record_now();
                    self.probe.pending() > 0
                }
            };
            if !goes_on || !self.step() {
                return;
            }
        }
    }

    /// A limit ends the run: nothing more happens in it.
    #[cold]
    pub(super) fn stop(&mut self, why: Stopped) {
        (self.stopped, self.end) = (Some(why), self.now);
    }

    /// Handles what happens next. Returns `false` if that is not before the end.
    #[inline(always)]
    fn step(&mut self) -> bool {
        let mut due = self.look_ahead();
        self.probe.record_wait();
        self.record_answered();
        let first = match self.receive(&mut due) {
            Some(ConnectOutcome::Started(id)) => Some(id),
            // No worker has become free: nothing in the backlog can go on.
            Some(_) if self.ready.is_empty() => return true,
            Some(_) => None,
            None if due.first >= self.end => return false,
            None => self.happens(due),
        };
        self.move_on(first);
        true
    }

    /// When the next event is due that is not an arrival.
    #[inline(always)]
    fn look_ahead(&mut self) -> Due {
        let (host, agenda) = (self.cores[WORKERS_HOST].next_change(), self.agenda.next_time());
        let (mut database, mut first) = (Time::NEVER, host.min(agenda));
        if self.features().has_deadlines_or_second_host {
            if self.database_host == OWN_DATABASE_HOST {
                database = self.cores[OWN_DATABASE_HOST].next_change();
            }
            first = first.min(database).min(self.patience_ends());
        }
        Due { host, database, agenda, first }
    }

    /// The next deadline: of a client's patience, of Nginx's read timeout, or of gunicorn's worker
    /// timeout.
    #[inline(always)]
    fn patience_ends(&self) -> Time {
        self.patience.next_due().min(self.reading.next_due()).min(self.overtime.next_due())
    }

    /// Lets requests arrive for as long as each only joins the backlog: all that this changes is
    /// the next deadline, which `due` is brought up to date with. Returns the outcome of the first
    /// request that did more than queue, or of the tape's last one; `None` where something else is
    /// due first.
    #[inline(always)]
    fn receive(&mut self, due: &mut Due) -> Option<ConnectOutcome> {
        while self.next_arrival.at < due.first {
            if self.next_arrival.at >= self.end {
                break;
            }
            self.move_clock(self.next_arrival.at);
            let outcome = self.arrive();
            // Where the tape has an end, a run may go on for just as long.
            let was_last = !S::PLAIN && self.next_arrival.at == Time::NEVER;
            if outcome != ConnectOutcome::Queued || was_last {
                return Some(outcome);
            }
            if self.features().has_deadlines_or_second_host {
                due.first = due.first.min(self.patience_ends());
            }
        }
        None
    }

    /// Handles the first of what is due; of several at one instant, in the order of the module's
    /// description. Returns the request that can go on at once, if one can.
    #[inline(always)]
    fn happens(&mut self, due: Due) -> Option<RequestId> {
        self.move_clock(due.first);
        if due.host == due.first {
            self.cores_done(WORKERS_HOST)
        } else if due.database == due.first {
            self.cores_done(OWN_DATABASE_HOST)
        } else if due.agenda == due.first {
            self.handle()
        } else {
            if self.patience.next_due() == due.first {
                self.patience_over();
            } else {
                self.server_gives_up();
            }
            None
        }
    }

    /// Nginx's read timeout is over, or gunicorn's worker timeout.
    #[inline(never)]
    fn server_gives_up(&mut self) {
        if self.reading.next_due() == self.now {
            self.reading_over();
        } else {
            self.overtime_over();
        }
    }

    /// An event happens at `time`.
    #[inline(always)]
    fn move_clock(&mut self, time: Time) {
        self.now = time;
        self.events = self.events.wrapping_add(1);
    }

    /// Handles the next event on the agenda. Returns the request that can go on at once, if one
    /// can.
    #[inline(always)]
    fn handle(&mut self) -> Option<RequestId> {
        match self.agenda.pop().expect("an event is due") {
            Event::WaitOver(id) => {
                self.wait_over(id);
                return Some(id);
            }
            Event::Retry(id) => return self.retry(id),
            Event::HandOver(worker) => self.hand_over(worker),
            Event::PoolTimeout(worker) => self.pool_timeout(worker),
            Event::Start(worker) => self.start(worker),
            Event::HealthCheck => self.wake_supervisor(),
            Event::PingTimeout(worker) => self.ping_timed_out(worker),
            Event::Herd(count) => self.herd(count),
            Event::ResidentBack(index) => self.resident_back(index),
            Event::DatabaseBack => self.database_back(),
            Event::ThrashingOver(host) => self.thrashing_over(host),
        }
        None
    }

    /// Moves every request that can go on to where it has to wait again, `first` before all others.
    #[inline(always)]
    fn move_on(&mut self, first: Option<RequestId>) {
        let mut next = first;
        loop {
            while let Some(id) = next.take().or_else(|| self.ready.pop()) {
                self.advance(id);
            }
            let waits = !self.backlog.is_empty() || !S::PLAIN && self.own_backlogs_total > 0;
            if !waits || !self.accept_from_backlog() {
                break;
            }
        }
    }

    /// The request has been answered now. That is recorded once it is known what happens next: what
    /// follows depends on that, and the processor would wait for it with nothing to do.
    #[inline(always)]
    pub(super) fn record_soon(&mut self, id: RequestId) {
        if self.unrecorded_answer != NO_REQUEST {
            self.record_now();
        }
        self.unrecorded_answer = id;
    }

    /// Records the last answer and the last wait now, where that is rare.
    #[inline(never)]
    fn record_now(&mut self) {
        self.probe.record_wait();
        self.record_answered();
    }

    /// Records the last answer, unless it is recorded.
    #[inline(always)]
    fn record_answered(&mut self) {
        let id = self.unrecorded_answer;
        if id != NO_REQUEST {
            self.unrecorded_answer = NO_REQUEST;
            let way = self.features().round_trip;
            self.probe.answered(&self.requests[id], self.now + way);
        }
    }
}
