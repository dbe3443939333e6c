//! The simulated world: `simulate` turns a site and a seed into an outcome.
//!
//! It does no I/O, reads no clock, holds no globals, and cannot fail. What happens next is asked
//! of a handful of sources (the cores, the agenda, the clients' patience, the tape), the earliest
//! is handled, and every request that this set free is moved on to where it has to wait again.
//!
//! At one instant, what ends on the cores comes first (what it frees can be had at that instant),
//! then the agenda in order of scheduling, then patience, and arrivals last.

mod admission;
mod arrivals;
mod client;
mod crash;
mod database;
mod looping;
mod probe;
mod processor;
mod program;
mod request;
mod steps;
mod supervisor;
mod worker;

use std::collections::VecDeque;

pub use arrivals::{Arrival, Reply};

use crate::kernel::agenda::{self, Agenda};
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::outcome::{Outcome, Stopped};
use crate::resource::memory::Memory;
use crate::seed::Seed;
use crate::site::{Accept, Site, WorkerKind};
use crate::units::{Span, Time};
use arrivals::{Recording, Tape, Visitors};
use client::Deadlines;
use database::Postgres;
use probe::{Ended, Probe};
use processor::Processor;
use program::{Draws, Op, Program};
use request::{RequestId, Requests};
use supervisor::Rounds;
use worker::Worker;

/// Runs `site` once, with requests drawn from `seed`, or with those of its trace from an instant
/// on that is.
///
/// The same site and seed give the same outcome, bit for bit. Where a limit of the horizon ends
/// the run before its window opens, all that was simulated is measured instead.
pub fn simulate(site: &Site, seed: Seed) -> Outcome {
    let programs = programs(site, Draws::Varying);
    let tape = Visitors::new(site, &programs, seed);
    let (outcome, _) = World::new(site, programs, tape, seed).run();
    if outcome.stopped.is_some() && outcome.measured.is_zero() && !site.horizon.warmup.is_zero() {
        let mut at_once = site.clone();
        at_once.horizon.warmup = Span::ZERO;
        return simulate(&at_once, seed);
    }
    outcome
}

/// Runs `site` once with recorded requests: each with its demands, one per compute step and per
/// call, two per query (its wait, its CPU), in the order of its endpoint's steps. They come by
/// rising time. Says how each ended.
pub fn replay(
    site: &Site,
    tape: impl Iterator<Item = (Arrival, Vec<Span>)>,
    seed: Seed,
) -> (Outcome, Vec<Reply>) {
    let mut replies = Vec::new();
    let programs = programs(site, Draws::All);
    let tape = tape.map(|(arrival, demands)| (arrival, demands, ()));
    let tape = Recording::new(tape, |(), reply| replies.push(reply));
    let (outcome, tape) = World::new(site, programs, tape, seed).run();
    tape.finish();
    (outcome, replies)
}

/// Runs `site` once with recorded requests as [`replay`] does, but for as long as the tape is,
/// whatever the horizon: all of it is measured, and the run goes on until every request has
/// ended, or for the horizon's drain. Each request comes with a value of the caller's; `each` is
/// given it back with the reply, in order of arrival, as soon as all before it have ended: so a
/// tape of any length is played in the room that the requests in flight take.
pub fn play<V>(
    site: &Site,
    tape: impl Iterator<Item = (Arrival, Vec<Span>, V)>,
    seed: Seed,
    each: impl FnMut(V, Reply),
) -> Outcome {
    let programs = programs(site, Draws::All);
    let tape = Recording::new(tape, each);
    let mut site = site.clone();
    site.horizon.warmup = Span::ZERO;
    site.horizon.measured = Time::NEVER - Time::ZERO;
    let (outcome, tape) = World::new(&site, programs, tape, seed).run_to_the_end();
    tape.finish();
    outcome
}

fn programs(site: &Site, draws: Draws) -> Vec<Program> {
    let endpoints = site.traffic.endpoints.iter();
    endpoints.map(|endpoint| Program::new(site, endpoint, draws)).collect()
}

/// What is on the agenda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The wait of a request is over.
    WaitOver(RequestId),
    /// A client's kernel tries to connect again.
    Retry(RequestId),
    /// Somebody has waited long enough for a worker's turn.
    HandOver(u32),
    /// Somebody may have waited long enough for a connection of a worker's pool.
    PoolTimeout(u32),
    /// A worker is started.
    Start(u32),
    /// The parent looks after its workers.
    LookAfter,
    /// The parent may have waited long enough for word from a worker.
    NoWord(u32),
    /// A killed resident process is back.
    ResidentBack(u32),
    /// The database has recovered.
    DatabaseBack,
}

/// Bits of what an event is about: 16 million requests or workers.
const SUBJECT_BITS: u32 = agenda::EVENT_BITS - 4;

impl agenda::Event for Event {
    #[inline]
    fn pack(self) -> u32 {
        let (kind, subject) = match self {
            Event::WaitOver(id) => (0, id),
            Event::Retry(id) => (1, id),
            Event::HandOver(worker) => (2, worker),
            Event::PoolTimeout(worker) => (3, worker),
            Event::Start(worker) => (4, worker),
            Event::ResidentBack(index) => (5, index),
            Event::DatabaseBack => (6, 0),
            Event::LookAfter => (7, 0),
            Event::NoWord(worker) => (8, worker),
        };
        kind << SUBJECT_BITS | subject
    }

    #[inline]
    fn unpack(bits: u32) -> Event {
        let subject = bits & ((1 << SUBJECT_BITS) - 1);
        match bits >> SUBJECT_BITS {
            0 => Event::WaitOver(subject),
            1 => Event::Retry(subject),
            2 => Event::HandOver(subject),
            3 => Event::PoolTimeout(subject),
            4 => Event::Start(subject),
            5 => Event::ResidentBack(subject),
            6 => Event::DatabaseBack,
            7 => Event::LookAfter,
            _ => Event::NoWord(subject),
        }
    }
}

/// Where the next thing that happens comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Cores(usize),
    Agenda,
    Patience,
    Reading,
    Tape,
}

/// The workers' host, in `World::cores` and `World::memory`.
const HOST: usize = 0;

/// Everything in the simulated world. Its behaviour is in four parts: getting to a worker
/// (`admission`), a request's steps (`steps`), memory and crashes (`crash`), and here, time.
struct World<'a, T> {
    site: &'a Site,
    seed: Seed,
    programs: Vec<Program>,
    /// The operations of all programs, one program behind the other, and where each begins.
    ops: Vec<Op>,
    starts: Vec<u32>,
    now: Time,
    events: u64,
    stopped: Option<Stopped>,

    tape: T,
    /// The request that comes next on the tape, and when; never, at its end.
    coming: RequestId,
    comes: Time,
    arrivals: u64,
    chances: Option<Stream>,
    respawns: Stream,

    agenda: Agenda<Event>,
    requests: Requests,
    /// Requests that can go on.
    ready: VecDeque<RequestId>,

    /// The workers' host and, where it has one, the database's own.
    cores: [Processor; 2],
    memory: [Memory; 2],
    /// Where the database lives.
    database_host: usize,
    postgres: Postgres,
    /// Which of the host's residents the OOM killer took.
    residents_away: Vec<bool>,
    workers: Vec<Worker>,
    /// Whether the kernel's one queue feeds all workers, one request each (sync).
    one_queue: bool,
    /// The idle workers of that; the last to fall idle is the first to work.
    idle: Vec<u32>,
    backlog: VecDeque<RequestId>,
    /// systemd has stopped the whole unit.
    is_down: bool,
    /// Numbers the tasks on the cores that nobody waits for.
    asides: u32,
    /// Workers started so far.
    lives: u64,
    rounds: Rounds,
    patience: Deadlines,
    /// What Nginx waits for.
    reading: Deadlines,
    probe: Probe,
}

impl<'a, T: Tape> World<'a, T> {
    fn new(site: &'a Site, programs: Vec<Program>, tape: T, seed: Seed) -> World<'a, T> {
        let own = site.database.host.as_ref();
        let other = own.unwrap_or(&site.host);
        let opens = Time::ZERO + site.horizon.warmup;
        let stride = programs.iter().map(Program::demands).max().unwrap_or(0);
        let (ops, starts) = program::linked(&programs);
        let workers = (0..site.server.workers).map(|index| Worker::new(&site.server, index));
        World {
            site,
            seed,
            now: Time::ZERO,
            events: 0,
            stopped: None,
            tape,
            coming: 0,
            comes: Time::NEVER,
            arrivals: 0,
            chances: needs_chance(site).then(|| stream(seed, Purpose::Accept)),
            respawns: stream(seed, Purpose::Respawn),
            agenda: Agenda::new(),
            requests: Requests::new(stride),
            ready: VecDeque::new(),
            cores: [Processor::new(&site.host), Processor::new(other)],
            memory: [Memory::new(site.host.memory), Memory::new(other.memory)],
            database_host: usize::from(own.is_some()),
            postgres: Postgres::new(site.database.connection_slots),
            residents_away: vec![false; site.host.residents.len()],
            workers: workers.collect(),
            one_queue: one_queue(site),
            idle: Vec::new(),
            backlog: VecDeque::new(),
            is_down: false,
            asides: 0,
            lives: u64::from(site.server.workers),
            rounds: Rounds::Over,
            patience: Deadlines::new(site.client.patience),
            reading: Deadlines::new(site.front.read_timeout),
            probe: Probe::new(opens, opens + site.horizon.measured, programs.len()),
            programs,
            ops,
            starts,
        }
    }

    /// Warm-up, the measured window, and then on until all that arrived in it is answered.
    fn run(mut self) -> (Outcome, T) {
        self.start_up();
        self.expect_next();
        let horizon = self.site.horizon;
        let opens = Time::ZERO + horizon.warmup;
        let closes = opens + horizon.measured;
        self.run_until(opens);
        if self.now_is(opens) {
            self.probe.open(self.now);
            self.run_until(closes);
            self.now_is(closes);
            self.probe.close(self.now);
        }
        while self.probe.pending() > 0 && self.step(closes + horizon.drain) {}
        let ended = Ended { stopped: self.stopped, events: self.events };
        (self.probe.into_outcome(self.seed, ended), self.tape)
    }

    /// The whole tape, and then on until all that came on it is answered.
    fn run_to_the_end(mut self) -> (Outcome, T) {
        self.start_up();
        self.expect_next();
        self.probe.open(self.now);
        while self.comes < Time::NEVER && self.step(Time::NEVER) {}
        self.probe.close(self.now);
        let end = self.now + self.site.horizon.drain;
        while self.probe.pending() > 0 && self.step(end) {}
        let ended = Ended { stopped: self.stopped, events: self.events };
        (self.probe.into_outcome(self.seed, ended), self.tape)
    }

    /// Moves the clock to `time`, unless the run was stopped before.
    fn now_is(&mut self, time: Time) -> bool {
        if self.stopped.is_none() {
            self.now = time;
        }
        self.stopped.is_none()
    }

    fn run_until(&mut self, end: Time) {
        while self.step(end) {}
    }

    /// Handles what happens next, if it happens before `end`.
    #[inline]
    fn step(&mut self, end: Time) -> bool {
        let (time, source) = self.next();
        if time >= end || self.stopped.is_some() {
            return false;
        }
        self.now = time;
        self.events += 1;
        match source {
            Source::Cores(host) => self.cores_done(host),
            Source::Agenda => self.handle(),
            Source::Patience => self.patience_over(),
            Source::Reading => self.reading_over(),
            Source::Tape => self.arrive(),
        }
        self.move_on();
        true
    }

    /// What happens next, and when. Among equals the first of the list.
    #[inline]
    fn next(&mut self) -> (Time, Source) {
        let [host, database] = &mut self.cores;
        let mut next = (host.next_change(), Source::Cores(0));
        let mut or = |time: Time, source| {
            if time < next.0 {
                next = (time, source);
            }
        };
        or(database.next_change(), Source::Cores(1));
        or(self.agenda.next_time(), Source::Agenda);
        or(self.patience.next_due(), Source::Patience);
        or(self.reading.next_due(), Source::Reading);
        or(self.comes, Source::Tape);
        next
    }

    /// Handles the next event on the agenda.
    #[inline]
    fn handle(&mut self) {
        match self.agenda.pop().expect("an event is due") {
            Event::WaitOver(id) => self.wait_over(id),
            Event::Retry(id) => self.retry(id),
            Event::HandOver(worker) => self.hand_over(worker),
            Event::PoolTimeout(worker) => self.pool_timeout(worker),
            Event::Start(worker) => self.start(worker),
            Event::LookAfter => self.look_after(0),
            Event::NoWord(worker) => self.no_word(worker),
            Event::ResidentBack(index) => self.resident_back(index),
            Event::DatabaseBack => self.database_back(),
        }
    }

    /// Moves every request that can go on to where it has to wait again.
    #[inline]
    fn move_on(&mut self) {
        loop {
            while let Some(id) = self.ready.pop_front() {
                self.advance(id);
            }
            if self.backlog.is_empty() || !self.accept_from_backlog() {
                break;
            }
        }
    }

    /// Lets `id` go on as soon as what is being handled is done.
    #[inline]
    fn set_ready(&mut self, id: RequestId) {
        self.requests[id].at = request::At::Moving;
        self.ready.push_back(id);
    }
}

/// Whether the kernel's one queue feeds all workers, one request each: then it does not matter
/// which of the idle ones takes the next.
fn one_queue(site: &Site) -> bool {
    matches!((site.server.kind, site.server.accept), (WorkerKind::Sync, Accept::Shared { .. }))
}

/// Whether chance decides which process accepts a connection.
fn needs_chance(site: &Site) -> bool {
    site.server.workers > 1 && !one_queue(site)
}

const _: () = assert!(size_of::<Event>() <= 8, "events stay small");
