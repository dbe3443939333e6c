//! The simulated world: `simulate` turns a site and a seed into an outcome.
//!
//! It does no I/O, reads no clock, holds no globals, and cannot fail. What happens next is asked
//! of a handful of sources (the cores, the agenda, the clients' patience, the tape), the earliest
//! is handled, and every request that this set free is moved on to where it has to wait again.
//!
//! At one instant, what ends on the cores comes first (what it frees can be had at that instant),
//! then the agenda in order of scheduling, then patience, and arrivals last.
//!
//! What every event goes through is inlined by order: the frames of so many small functions, and
//! the look-ups that each repeats, were a quarter of all instructions (`benches/README.md`).

mod admission;
mod arrivals;
mod boot;
mod calls;
mod client;
mod cold;
mod crash;
mod database;
mod dispatcher;
mod iteration;
mod looping;
mod probe;
mod processor;
mod program;
mod request;
mod rules;
mod steps;
mod supervisor;
mod turn;
mod waking;
mod worker;

use std::collections::VecDeque;

pub use arrivals::{Arrival, Reply};

use crate::kernel::agenda::{self, Agenda};
use crate::kernel::streams::{Purpose, Stream, stream};
use crate::outcome::{Outcome, Stopped};
use crate::resource::memory::Memory;
use crate::seed::Seed;
use crate::site::Site;
use crate::units::{Span, Time};
use arrivals::{Recording, Tape, Visitors};
use client::Deadlines;
use cold::CodeRan;
use database::Postgres;
use probe::{Ended, Probe};
use processor::Processor;
use program::{Draws, Op, Program};
use request::{NOBODY, Ready, RequestId, Requests};
use rules::Rules;
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

/// The workers' host, in `World::cores` and `World::memory`.
const HOST: usize = 0;
/// The database's own, where it has one.
const OWN_HOST: usize = 1;

/// The request that comes next on the tape.
#[derive(Debug, Clone, Copy)]
struct Coming {
    /// Its number once it is there.
    id: RequestId,
    /// When it comes; never, at the end of the tape.
    at: Time,
    /// What it asks for.
    endpoint: u16,
    /// See [`request::Request::chance`].
    chance: u32,
}

/// What a stretch of a run goes on for, if its time is not over before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Its time.
    Time,
    /// Requests that come.
    Arrivals,
    /// Answers to requests that are measured.
    Answers,
}

/// Everything in the simulated world. Its behaviour is in four parts: getting to a worker
/// (`admission`), a request's steps (`steps`), memory and crashes (`crash`), and here, time.
struct World<'a, T> {
    site: &'a Site,
    rules: Rules,
    seed: Seed,
    programs: Vec<Program>,
    /// The operations of all programs, one program behind the other, and where each begins.
    ops: Vec<Op>,
    starts: Vec<u32>,
    now: Time,
    events: u64,
    stopped: Option<Stopped>,

    tape: T,
    coming: Coming,
    arrivals: u64,
    chances: Option<Stream>,
    respawns: Stream,
    gil: Stream,
    /// When gunicorn's arbiter can start a worker.
    forks_from: Time,

    agenda: Agenda<Event>,
    requests: Requests,
    /// Requests that can go on.
    ready: Ready,
    /// The request that was answered last, while it has yet to be written down; or [`NOBODY`].
    answered: RequestId,

    /// The workers' host and, where it has one, the database's own.
    cores: [Processor; 2],
    memory: [Memory; 2],
    /// Where the database lives.
    database_host: usize,
    code_ran: CodeRan,
    postgres: Postgres,
    /// Which of the host's residents the OOM killer took.
    residents_away: Vec<bool>,
    workers: Vec<Worker>,
    /// The idle workers of the one queue; the last to fall idle is the first to work.
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
        let rules = Rules::of(site);
        let own = site.database.host.as_ref();
        let other = own.unwrap_or(&site.host);
        let opens = Time::ZERO + site.horizon.warmup;
        let stride = programs.iter().map(Program::demands).max().unwrap_or(0);
        let (ops, starts) = program::linked(&programs);
        let workers = (0..site.server.workers).map(|index| Worker::new(&site.server, index));
        World {
            site,
            rules,
            seed,
            now: Time::ZERO,
            events: 0,
            stopped: None,
            tape,
            coming: Coming { id: 0, at: Time::NEVER, endpoint: 0, chance: 0 },
            arrivals: 0,
            chances: rules.needs_chance.then(|| stream(seed, Purpose::Accept)),
            respawns: stream(seed, Purpose::Respawn),
            gil: stream(seed, Purpose::Gil),
            forks_from: Time::ZERO,
            agenda: Agenda::new(),
            requests: Requests::new(stride),
            ready: Ready::new(),
            answered: NOBODY,
            cores: [Processor::new(&site.host), Processor::new(other)],
            memory: [Memory::new(site.host.memory), Memory::new(other.memory)],
            database_host: if own.is_some() { OWN_HOST } else { HOST },
            code_ran: CodeRan::NEVER,
            postgres: Postgres::new(site.database.connection_slots),
            residents_away: vec![false; site.host.residents.len()],
            workers: workers.collect(),
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
        self.run_for(For::Time, opens);
        if self.now_is(opens) {
            self.probe.open(self.now);
            self.run_for(For::Time, closes);
            self.now_is(closes);
            self.probe.close(self.now);
        }
        self.run_for(For::Answers, closes + horizon.drain);
        let ended = Ended { stopped: self.stopped, events: self.events };
        (self.probe.into_outcome(self.seed, ended), self.tape)
    }

    /// The whole tape, and then on until all that came on it is answered.
    fn run_to_the_end(mut self) -> (Outcome, T) {
        self.start_up();
        self.expect_next();
        self.probe.open(self.now);
        self.run_for(For::Arrivals, Time::NEVER);
        self.probe.close(self.now);
        let end = self.now + self.site.horizon.drain;
        self.run_for(For::Answers, end);
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

    /// Handles what happens before `end`, while there is what the run goes on for.
    fn run_for(&mut self, aim: For, end: Time) {
        loop {
            let goes_on = match aim {
                For::Time => true,
                For::Arrivals => self.coming.at < Time::NEVER,
                For::Answers => {
                    self.write_down_at_once();
                    self.probe.pending() > 0
                }
            };
            if !goes_on || !self.step(end) {
                return;
            }
        }
    }

    /// Handles what happens next, if it happens before `end`. Of what happens at once the first
    /// of these comes first: cores, agenda, patience, reading, tape.
    #[inline(always)]
    fn step(&mut self, end: Time) -> bool {
        let on_host = self.cores[HOST].next_change();
        let mut on_database = Time::NEVER;
        let on_agenda = self.agenda.next_time();
        let mut due = on_host.min(on_agenda);
        if self.rules.has_more_sources {
            if self.database_host == OWN_HOST {
                on_database = self.cores[OWN_HOST].next_change();
            }
            let (patience, reading) = (self.patience.next_due(), self.reading.next_due());
            due = due.min(on_database).min(patience).min(reading);
        }
        let time = due.min(self.coming.at);
        self.probe.write_down_wait();
        self.write_down_answered();
        if time >= end || self.stopped.is_some() {
            return false;
        }
        self.now = time;
        self.events = self.events.wrapping_add(1);
        if time < due {
            self.arrive();
            // One more at the end of the backlog lets nobody in that is at its front.
            if self.ready.is_empty() {
                return true;
            }
        } else if on_host == due {
            self.cores_done(HOST);
        } else if on_database == due {
            self.cores_done(OWN_HOST);
        } else if on_agenda == due {
            self.handle();
        } else if self.patience.next_due() == due {
            self.patience_over();
        } else {
            self.reading_over();
        }
        self.move_on();
        true
    }

    /// Handles the next event on the agenda.
    #[inline(always)]
    fn handle(&mut self) {
        match self.agenda.pop().expect("an event is due") {
            Event::WaitOver(id) => self.wait_over(id),
            Event::Retry(id) => self.retry(id),
            Event::HandOver(worker) => self.hand_over(worker),
            Event::PoolTimeout(worker) => self.pool_timeout(worker),
            Event::Start(worker) => self.start(worker),
            Event::LookAfter => self.look(),
            Event::NoWord(worker) => self.no_word(worker),
            Event::ResidentBack(index) => self.resident_back(index),
            Event::DatabaseBack => self.database_back(),
        }
    }

    /// Moves every request that can go on to where it has to wait again.
    #[inline(always)]
    fn move_on(&mut self) {
        loop {
            while let Some(id) = self.ready.pop() {
                self.advance(id);
            }
            if self.backlog.is_empty() || !self.accept_from_backlog() {
                break;
            }
        }
    }

    /// The request has been answered, now. That is written down once it is known what happens
    /// next: what follows depends on that, and the processor would wait for it with nothing to do.
    #[inline(always)]
    fn write_down_soon(&mut self, id: RequestId) {
        if self.answered != NOBODY {
            self.write_down_at_once();
        }
        self.answered = id;
    }

    /// The same at once, where that is seldom.
    #[inline(never)]
    fn write_down_at_once(&mut self) {
        self.probe.write_down_wait();
        self.write_down_answered();
    }

    /// Writes down the request that was answered last, unless it is.
    #[inline(always)]
    fn write_down_answered(&mut self) {
        let id = self.answered;
        if id != NOBODY {
            self.answered = NOBODY;
            let ended = self.now + self.site.client.round_trip;
            self.probe.answered(&self.requests[id], ended);
        }
    }

    /// Lets `id` go on as soon as what is being handled is done.
    #[inline(always)]
    fn set_ready(&mut self, id: RequestId) {
        self.requests[id].at = request::At::Moving;
        self.ready.push(id);
    }
}

const _: () = assert!(size_of::<Event>() <= 8, "events stay small");
