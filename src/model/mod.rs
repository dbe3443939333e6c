//! The simulated world: `simulate` turns a site and a seed into an outcome.
//!
//! It does no I/O, reads no clock, holds no globals, and cannot fail. The next event is the
//! earliest of what the sources have: the cores of each host, the agenda, the three lists of
//! deadlines (a client's patience, Nginx's read timeout, gunicorn's worker timeout) and the tape.
//! It is handled, and then every request that it set free moves on to where it has to wait again.
//!
//! Of several events at one instant the order is: cores, agenda, patience, Nginx, gunicorn, tape.
//! (Work that ends on the cores comes first, so that what it frees can be had at that instant.)
//!
//! | room | what it does |
//! |---|---|
//! | here | how a run goes, and the `World` that it goes on in |
//! | `clock` | what happens next |
//! | `steps` | takes a request from operation to operation |
//! | `traffic` | the requests: when they arrive, what each wants, how far each has come |
//! | `front` | the way to a worker: the socket, the backlog, which worker accepts |
//! | `worker` | inside a worker process: threads, the GIL or the loop, cold code |
//! | `database` | connections to PostgreSQL |
//! | `lifecycle` | how processes boot, run out of memory, die and come back |
//! | `host_cores`, `tasks` | the cores of a host; the tasks and processes on them |
//! | `rules`, `scope` | what a site has, and which of that its world is compiled with |
//! | `random_streams` | what is decided by chance during a run |
//! | `probe` | what is measured |
//!
//! The functions that every event goes through are inlined by order: the frames of so many small
//! functions, and the look-ups that each repeats, were a quarter of all instructions
//! (`benches/README.md`).

mod clock;
mod database;
mod front;
mod host_cores;
mod lifecycle;
mod probe;
mod random_streams;
mod rules;
mod scope;
mod steps;
mod tasks;
mod traffic;
mod worker;

use std::collections::VecDeque;

pub use traffic::arrivals::{Arrival, Reply};

use crate::kernel::agenda::{self, Agenda};
use crate::kernel::deadlines::Deadlines;
use crate::outcome::{Outcome, Stopped};
use crate::resource::memory::Memory;
use crate::seed::Seed;
use crate::site::{Site, WorkerKind};
use crate::units::{Span, Time};
use clock::RunUntil;
use database::pool::Postgres;
use database::postmaster::Postmaster;
use front::admission::{backlog_room, patience_at_site};
use host_cores::HostCores;
use lifecycle::supervisor::HealthCheck;
use probe::{Ended, Probe};
use random_streams::RandomStreams;
use rules::{Rules, is_plain};
use scope::{Full, Plain, Scope};
use traffic::arrivals::SiteTape;
use traffic::caller_tape::CallerTape;
use traffic::drawn_tape::DrawnTape;
use traffic::program::{Draws, Op, Program};
use traffic::request::{At, NO_REQUEST, Ready, RequestId, Requests};
use worker::cold::CodeRan;
use worker::process::Worker;

/// Runs `site` once. Requests are drawn from `seed`; where traffic is recorded, `seed` says at
/// which instant of the recording the run begins.
///
/// The same site and seed give the same outcome, bit for bit. A run that a limit of the horizon
/// ends before its window opens is repeated without a warm-up, so that all of it is measured.
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
/// call, two per query (its wait, its CPU), in the order of its endpoint's steps. Arrival times
/// must not fall. Returns how each request ended, in order of arrival.
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

/// Runs `site` once with recorded requests, as [`replay`] does, but for as long as the tape is,
/// whatever the horizon: all of it is measured, and the run goes on until every request has ended,
/// for the horizon's drain at most. Each request comes with a value of the caller's, which `each`
/// gets back with the reply, in order of arrival, as soon as all requests before it have ended. So
/// a tape of any length is played in the memory that the requests in flight take.
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
    /// A request's wait is over.
    WaitOver(RequestId),
    /// A client's kernel tries to connect again.
    Retry(RequestId),
    /// The turn of a worker may have to be handed over.
    HandOver(u32),
    /// A request may have waited for a connection of a worker's pool for as long as the pool
    /// allows.
    PoolTimeout(u32),
    /// A worker is started.
    Start(u32),
    /// The supervisor's next health check is due.
    HealthCheck,
    /// A worker may have left the supervisor's ping unanswered for too long.
    PingTimeout(u32),
    /// This many idle workers were woken by a connection that another worker has accepted.
    Herd(u32),
    /// A killed resident process is back.
    ResidentBack(u32),
    /// The database has recovered.
    DatabaseBack,
    /// A host has thrashed for as long as it does: the OOM killer comes.
    ThrashingOver(u32),
}

/// Bits for the request, worker, host or count that an event is about: 16 million of each.
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

/// The workers' host, as an index of `World::cores` and `World::memory`.
const WORKERS_HOST: usize = 0;
/// The database's own host, where it has one.
const OWN_DATABASE_HOST: usize = 1;

/// The next request of the tape.
#[derive(Debug, Clone, Copy)]
struct NextArrival {
    /// Its number.
    id: RequestId,
    /// When it arrives; never, at the end of the tape.
    at: Time,
}

/// Everything in the simulated world. What it does is in the rooms of this floor, each of which
/// adds methods to it.
struct World<'a, S: Scope> {
    site: &'a Site,
    rules: Rules,
    seed: Seed,
    programs: Vec<Program>,
    /// The operations of all programs in one list.
    ops: Vec<Op>,
    /// Where each program begins in `ops`.
    starts: Vec<u32>,
    now: Time,
    events: u64,
    /// Nothing is handled that happens at this time or later.
    end: Time,
    /// The limit that ended the run, if one did.
    stopped: Option<Stopped>,

    tape: S::Tape,
    next_arrival: NextArrival,
    arrivals: u64,
    streams: RandomStreams,
    /// From when on gunicorn's arbiter can fork the next worker.
    forks_from: Time,

    agenda: Agenda<Event>,
    requests: Requests,
    /// Requests that can go on.
    ready: Ready,
    /// The request that was answered last, until its answer is recorded; or [`NO_REQUEST`].
    unrecorded_answer: RequestId,

    /// By host: the workers' and the database's own. Where the database runs on the workers' host,
    /// the second of each is unused.
    cores: [S::Cores; 2],
    memory: [Memory; 2],
    /// Which hosts are out of memory and thrash until the OOM killer comes.
    thrashes: [bool; 2],
    /// The host that the database runs on.
    database_host: usize,
    code_ran: CodeRan,
    /// By request number: when the database began to wait over its query. Kept for the threads that
    /// poll for the result.
    query_wait_began: Vec<Time>,
    /// By request number: how long it had queued for a connection when it was last woken up for
    /// one.
    pool_waited: Vec<Span>,
    postgres: Postgres,
    postmaster: Postmaster,
    /// By resident of the workers' host: how many of its processes were killed and are not back
    /// yet.
    residents_killed: Vec<u32>,
    workers: Vec<Worker>,
    /// The idle workers, where all share one queue. The one that has been idle longest takes the
    /// next request.
    idle: VecDeque<u32>,
    /// The shared backlog; where each process has its own, the requests that came while no process
    /// was up.
    backlog: VecDeque<RequestId>,
    /// How many requests a backlog holds at most.
    backlog_room: usize,
    /// Nothing listens: systemd has stopped the whole unit, or the only process is gone.
    is_down: bool,
    /// Numbers the background tasks.
    background_tasks: u32,
    /// Worker lives so far: a worker begins a new one whenever it is killed.
    lives: u64,
    health_check: HealthCheck,
    /// By request: until when its client waits.
    patience: Deadlines,
    /// How many requests wait in the backlogs of the processes' own sockets, all together.
    own_backlogs_total: usize,
    /// By request: until when Nginx waits for the answer.
    reading: Deadlines,
    /// By worker: until when it may be at its request (gunicorn's `timeout`).
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
        let (ops, starts) = traffic::program::linked(&programs);
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
            query_wait_began: Vec::new(),
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
            background_tasks: 0,
            lives: u64::from(site.server.workers),
            health_check: HealthCheck::Idle { last: None },
            patience: Deadlines::new(patience_at_site(&site.client)),
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

    /// Simulates the warm-up, the measured window, and then on until all requests that arrived in
    /// the window have ended.
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

    /// Simulates the whole tape, and then on until all requests of it have ended.
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

    /// Moves the clock to `time`, unless a limit has stopped the run before. Returns whether it
    /// did.
    fn advance_clock_to(&mut self, time: Time) -> bool {
        if self.stopped.is_none() {
            self.now = time;
        }
        self.stopped.is_none()
    }

    /// Lets `id` go on as soon as the event at hand is handled.
    #[inline(always)]
    fn set_ready(&mut self, id: RequestId) {
        self.requests[id].at = At::Moving;
        self.ready.push(id);
    }
}
