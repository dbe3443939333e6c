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

mod acceptor;
mod admission;
mod arrivals;
mod boot;
mod client;
mod clock;
mod cold;
mod crash;
mod database;
mod dispatcher;
mod heap;
mod host_cores;
mod iteration;
mod occupancy;
mod oom;
mod postmaster;
mod probe;
mod program;
mod random_streams;
mod repeated_trace;
mod request;
mod rules;
mod scope;
mod sockets;
mod steps;
mod supervisor;
mod system_calls;
mod tasks;
mod teardown;
mod turn;
mod waking;
mod worker;

use std::collections::VecDeque;

pub use arrivals::{Arrival, Reply};

use crate::kernel::agenda::{self, Agenda};
use crate::outcome::{Outcome, Stopped};
use crate::resource::memory::Memory;
use crate::seed::Seed;
use crate::site::{Site, WorkerKind};
use crate::units::{Span, Time};
use admission::backlog_room;
use arrivals::{CallerTape, DrawnTape, SiteTape};
use client::Deadlines;
use clock::RunUntil;
use cold::CodeRan;
use database::Postgres;
use host_cores::HostCores;
use postmaster::Postmaster;
use probe::{Ended, Probe};
use program::{Draws, Op, Program};
use random_streams::RandomStreams;
use request::{NO_REQUEST, Ready, RequestId, Requests};
use rules::{Rules, is_plain};
use scope::{Full, Plain, Scope};
use supervisor::HealthCheck;
use worker::Worker;

/// Runs `site` once. Requests are drawn from `seed`; where traffic is recorded, `seed` says at which
/// instant of the recording the run begins.
///
/// The same site and seed give the same outcome, bit for bit. Where a limit of the horizon ends
/// the run before its window opens, all that was simulated is measured instead.
pub fn simulate(site: &Site, seed: Seed) -> Outcome {
    let programs = programs(site, Draws::Varying);
    let outcome = if is_plain(site) {
        let tape = DrawnTape::new(site, &programs, seed);
        World::<Plain>::new(site, programs, tape, seed).run().0
    } else {
        let tape = SiteTape::new(site, &programs, seed);
        World::<Full<SiteTape<'_>>>::new(site, programs, tape, seed).run().0
    };
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
    let tape = CallerTape::new(tape, |(), reply| replies.push(reply));
    let (outcome, tape) = World::<Full<_>>::new(site, programs, tape, seed).run();
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
    let tape = CallerTape::new(tape, each);
    let mut site = site.clone();
    site.horizon.warmup = Span::ZERO;
    site.horizon.measured = Time::NEVER - Time::ZERO;
    let (outcome, tape) = World::<Full<_>>::new(&site, programs, tape, seed).run_to_the_end();
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
    HealthCheck,
    /// The parent may have waited long enough for word from a worker.
    PingTimeout(u32),
    /// So many idle workers were woken by a connection that another has accepted.
    Herd(u32),
    /// A killed resident process is back.
    ResidentBack(u32),
    /// The database has recovered.
    DatabaseBack,
    /// A host without room has looked for some for long enough.
    ThrashingOver(u32),
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
            Event::HealthCheck => (7, 0),
            Event::PingTimeout(worker) => (8, worker),
            Event::Herd(count) => (9, count),
            Event::ThrashingOver(host) => (10, host),
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
            7 => Event::HealthCheck,
            8 => Event::PingTimeout(subject),
            9 => Event::Herd(subject),
            _ => Event::ThrashingOver(subject),
        }
    }
}

/// The workers' host, in `World::cores` and `World::memory`.
const WORKERS_HOST: usize = 0;
/// The database's own, where it has one.
const OWN_DATABASE_HOST: usize = 1;

/// The request that comes next on the tape.
#[derive(Debug, Clone, Copy)]
struct NextArrival {
    /// Its number.
    id: RequestId,
    /// When it comes; never, at the end of the tape.
    at: Time,
}

/// Everything in the simulated world. Its behaviour is in the files beside this one, by what it is
/// about: `clock` has what happens next, `admission` the way to a worker, `steps` and `turn` what a
/// request does there, `occupancy` and `oom` who holds memory and who dies for it, `crash`, `ending` and
/// `boot` what becomes of a worker then; here is how a run goes.
struct World<'a, S: Scope> {
    site: &'a Site,
    rules: Rules,
    seed: Seed,
    programs: Vec<Program>,
    /// The operations of all programs, one program behind the other, and where each begins.
    ops: Vec<Op>,
    starts: Vec<u32>,
    now: Time,
    events: u64,
    /// Nothing is handled that happens then or later.
    end: Time,
    stopped: Option<Stopped>,

    tape: S::Tape,
    next_arrival: NextArrival,
    arrivals: u64,
    streams: RandomStreams,
    /// When gunicorn's arbiter can start a worker.
    forks_from: Time,

    agenda: Agenda<Event>,
    requests: Requests,
    /// Requests that can go on.
    ready: Ready,
    /// The request that was answered last, while it has yet to be written down; or [`NO_REQUEST`].
    unrecorded_answer: RequestId,

    /// The workers' host and, where it has one, the database's own.
    cores: [S::Cores; 2],
    memory: [Memory; 2],
    /// Which of them looks for memory before the OOM killer comes.
    thrashes: [bool; 2],
    /// Where the database lives.
    database_host: usize,
    code_ran: CodeRan,
    /// When the database had the query of each request; where its thread looks after that.
    query_sent: Vec<Time>,
    /// How long each request had waited for a connection when it was last woken up for one.
    pool_waited: Vec<Span>,
    postgres: Postgres,
    postmaster: Postmaster,
    /// How many of each of the host's residents the OOM killer took.
    residents_killed: Vec<u32>,
    workers: Vec<Worker>,
    /// The idle workers of the one queue; who has been idle longest is the first to work.
    idle: VecDeque<u32>,
    backlog: VecDeque<RequestId>,
    /// How many the backlog holds at most.
    backlog_room: usize,
    /// Nobody listens: systemd has stopped the whole unit, or the only process that did is gone.
    is_down: bool,
    /// Numbers the tasks on the cores that nobody waits for.
    asides: u32,
    /// Workers started so far.
    lives: u64,
    health_check: HealthCheck,
    patience: Deadlines,
    /// How many wait in the backlogs of the processes' own sockets, all together.
    own_backlogs_total: usize,
    /// What Nginx waits for.
    reading: Deadlines,
    /// Workers that are at a request, and until when they may be.
    overtime: Deadlines,
    probe: Probe,
}

impl<'a, S: Scope> World<'a, S> {
    fn new(site: &'a Site, programs: Vec<Program>, tape: S::Tape, seed: Seed) -> World<'a, S> {
        let rules = Rules::of(site);
        let streams = RandomStreams::new(seed, &rules);
        let threaded = matches!(site.server.kind, WorkerKind::Threads { .. });
        let own = site.database.host.as_ref();
        let other = own.unwrap_or(&site.host);
        let opens = Time::ZERO + site.horizon.warmup;
        let demands = programs.iter().map(Program::demands).max().unwrap_or(0);
        let (ops, starts) = program::linked(&programs);
        let workers = (0..site.server.workers).map(|index| Worker::new(&site.server, index));
        World {
            site,
            rules,
            seed,
            now: Time::ZERO,
            events: 0,
            end: Time::ZERO,
            stopped: None,
            tape,
            next_arrival: NextArrival { id: 0, at: Time::NEVER },
            arrivals: 0,
            streams,
            forks_from: Time::ZERO,
            agenda: Agenda::new(),
            requests: Requests::new(demands),
            ready: Ready::new(),
            unrecorded_answer: NO_REQUEST,
            cores: [S::Cores::new(&site.host, threaded), S::Cores::new(other, threaded)],
            memory: [Memory::new(site.host.memory), Memory::new(other.memory)],
            thrashes: [false; 2],
            database_host: if own.is_some() { OWN_DATABASE_HOST } else { WORKERS_HOST },
            code_ran: CodeRan::NEVER,
            query_sent: Vec::new(),
            pool_waited: Vec::new(),
            postgres: Postgres::new(site.database.connection_slots),
            postmaster: Postmaster::default(),
            residents_killed: vec![0; site.host.residents.len()],
            workers: workers.collect(),
            idle: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_room: backlog_room(&site.front),
            is_down: false,
            own_backlogs_total: 0,
            asides: 0,
            lives: u64::from(site.server.workers),
            health_check: HealthCheck::Idle { last: None },
            patience: Deadlines::new(client::patience_here(&site.client)),
            reading: Deadlines::new(site.front.read_timeout),
            overtime: Deadlines::new(site.server.timeout),
            probe: Probe::new(
                opens,
                opens + site.horizon.measured,
                programs.len(),
                site.client.round_trip,
            ),
            programs,
            ops,
            starts,
        }
    }

    /// Warm-up, the measured window, and then on until all that arrived in it is answered.
    fn run(mut self) -> (Outcome, S::Tape) {
        self.start_up();
        self.expect_next();
        let horizon = self.site.horizon;
        let opens = Time::ZERO + horizon.warmup;
        let closes = opens + horizon.measured;
        self.run_until(RunUntil::End, opens);
        if self.advance_clock_to(opens) {
            self.open_window();
            self.run_until(RunUntil::End, closes);
            self.advance_clock_to(closes);
            self.close_window();
        }
        self.run_until(RunUntil::AllAnswered, closes + horizon.drain);
        let ended = Ended { stopped: self.stopped, events: self.events };
        (self.probe.into_outcome(self.seed, ended), self.tape)
    }

    /// The whole tape, and then on until all that came on it is answered.
    fn run_to_the_end(mut self) -> (Outcome, S::Tape) {
        self.start_up();
        self.expect_next();
        self.open_window();
        self.run_until(RunUntil::TapeEnd, Time::NEVER);
        self.close_window();
        let end = self.now + self.site.horizon.drain;
        self.run_until(RunUntil::AllAnswered, end);
        let ended = Ended { stopped: self.stopped, events: self.events };
        (self.probe.into_outcome(self.seed, ended), self.tape)
    }

    fn open_window(&mut self) {
        self.cores.iter_mut().for_each(|cores| cores.open(self.now));
        self.probe.open(self.now);
    }

    fn close_window(&mut self) {
        let cores = self.cores.each_mut().map(|cores| cores.close(self.now));
        self.probe.close(self.now, cores);
    }

    /// Moves the clock to `time`, unless the run was stopped before.
    fn advance_clock_to(&mut self, time: Time) -> bool {
        if self.stopped.is_none() {
            self.now = time;
        }
        self.stopped.is_none()
    }

    /// Lets `id` go on as soon as what is being handled is done.
    #[inline(always)]
    fn set_ready(&mut self, id: RequestId) {
        self.requests[id].at = request::At::Moving;
        self.ready.push(id);
    }
}

const _: () = assert!(size_of::<Event>() <= 8, "events stay small");
