//! What a request does on a given site, worked out once per endpoint: its steps with everything
//! that the stack adds to them, as a flat list of operations.
//!
//! What takes no time at all is left out, so that a run makes no event of it.

use crate::outcome::Stage;
use crate::site::{Database, Dispatcher, Dist, Endpoint, Hold, Sharing, Site, Step, WorkerKind};
use crate::units::Span;

/// The share of the stack's CPU for a request that a thread of gunicorn takes after the endpoint is
/// done: timed here, 0.28 of 0.74 ms.
const AFTER_ENDPOINT: f64 = 0.38;

/// CPU that a thread takes with the GIL between sending a query and waiting for its result, to see
/// that there is none yet: 17 us in a trace of psycopg 3.3's.
const RESULT_POLL_CPU: Span = Span::from_micros(17);

/// What an operation needs: a known part, and perhaps one drawn when the request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::model) struct Amount {
    /// The part that is the same for every request.
    pub known: Span,
    /// The part of `known` that the endpoint asks for; the rest is what the stack adds.
    pub endpoint_cpu: Span,
    /// Which of the request's drawn demands is added, if any.
    pub drawn: Option<u16>,
    /// How much of that demand is taken.
    pub share: Share,
}

impl Amount {
    /// This amount, rounded up to whole `step`s of the database's clock.
    fn stepped(self, step: Span) -> Amount {
        let share = if self.drawn.is_some() { Share::Stepped } else { self.share };
        Amount { known: self.known.round_up_to(step), share, ..self }
    }

    /// This amount and then `next`, as one; `None` where that cannot be expressed.
    fn and(self, next: Amount) -> Option<Amount> {
        let (drawn, share) = match (self.drawn, next.drawn) {
            (None, _) => (next.drawn, next.share),
            (_, None) => (self.drawn, self.share),
            (Some(first), Some(second)) => {
                let more = match self.share {
                    Share::Whole => 0,
                    Share::Run(more) => more,
                    Share::Stepped | Share::Half => return None,
                };
                let follows = second - first == more + 1 && next.share == Share::Whole;
                follows.then_some((Some(first), Share::Run(more + 1)))?
            }
        };
        let (known, endpoint_cpu) =
            (self.known + next.known, self.endpoint_cpu + next.endpoint_cpu);
        Some(Amount { known, endpoint_cpu, drawn, share })
    }
}

/// How much of a drawn quantity an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::model) enum Share {
    /// All of it.
    #[default]
    Whole,
    /// All of it, up to the next whole step of the database's clock.
    Stepped,
    /// Half of it.
    Half,
    /// All of it, and of this many demands after it.
    Run(u16),
}

/// One operation of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Op {
    /// Computes on the workers' host, holding the worker's turn.
    Compute(Amount),
    /// Goes behind everything that its loop has ready, to go on in the loop's next iteration.
    Yield,
    /// Takes a connection of its process's pool. If that is an open one, the next `opening`
    /// operations are skipped: they open one.
    Acquire {
        /// How many operations opening one takes.
        opening: u16,
    },
    /// Asks the database for a new connection.
    Open,
    /// Computes on the database's host, with the turn released.
    DatabaseCompute(Amount, Stage),
    /// The database has the query, and the thread has come back from sending it: takes this much
    /// with the turn, to see that there is no result yet.
    PollResult(Amount),
    /// Waits, with the turn released.
    Wait(Amount, Stage),
    /// Waits for what is left of a query's wait since the last [`Op::PollResult`], with the turn
    /// released if anything is.
    WaitRemaining(Amount, Stage),
    /// Gives the connection back.
    Release,
    /// Its thread makes system calls, and drops the GIL for each.
    SystemCalls(SystemCalls),
    /// Its endpoint is done, and the stack's code makes an answer of the result: notes that this
    /// code ran now.
    MarkStackRan,
    /// Its thread hands the answer to the event loop, which sends it.
    HandBack,
    /// Its client has the answer, and its worker stays with the connection.
    AnswerThenLinger,
    /// Its client has the answer, and it is done.
    Answer,
    /// It has been refused a connection, and fails.
    Refused,
}

impl Op {
    /// Whether what it computes on the workers' host is code of the stack at least in part, and not
    /// the endpoint's alone.
    #[inline]
    pub(in crate::model) fn runs_stack(self) -> bool {
        !matches!(self, Op::Compute(amount) if amount.known == amount.endpoint_cpu)
    }
}

/// System calls of a thread that has the GIL and wants it back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum SystemCalls {
    /// Several that take microseconds each: to receive its request, or the rows of a result.
    Brief,
    /// One that wakes up its receiver: to send its answer.
    Send,
}

/// How often a request yields to its loop before it begins: uvloop calls the protocol's
/// `connection_made` in the iteration after the one that accepted, and what is read there starts a
/// task in the one after that (uvloop 0.23's `basetransport.pyx`, uvicorn 0.54's
/// `httptools_impl.py`).
const YIELDS_TO_BEGIN: usize = 2;
/// How often it yields between a query's answer and the pool's reset: the answer wakes the task,
/// which leaves giving back the connection to a task of its own (asyncpg 0.32's `Pool.release`).
const YIELDS_TO_RESET: usize = 2;
/// How often it yields between the reset's answer, which wakes that task, and going on: the end of
/// the task is reported to its shield, and that wakes the request.
const YIELDS_AFTER_RESET: usize = 2;

/// A quantity that is drawn for each request when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Quantity {
    /// CPU of the worker for the step of this index.
    Compute(usize),
    /// The wait of the query at this index.
    QueryWait(usize),
    /// The CPU of the query at this index.
    QueryCpu(usize),
    /// The wait of the external call at this index.
    Call(usize),
}

/// What a request for one endpoint does.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) struct Program {
    /// Its operations: from admission to [`Op::Answer`], and behind that those that follow a
    /// refused connection.
    pub ops: Vec<Op>,
    /// Where the operations after a refused connection begin.
    pub refused: u32,
    /// What is drawn for it, in this order.
    pub draws: Vec<Quantity>,
}

/// Which quantities are drawn for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Draws {
    /// Those that vary; what is always the same is known beforehand.
    Varying,
    /// All of them, as a recorded tape has them.
    All,
}

impl Program {
    /// The operations of a request for `endpoint` on `site`.
    pub(in crate::model) fn new(site: &Site, endpoint: &Endpoint, draws: Draws) -> Program {
        let mut builder = Builder { site, draws, ops: Vec::new(), drawn: Vec::new() };
        builder.yields(YIELDS_TO_BEGIN);
        let (before, after) = builder.request_parts();
        builder.compute(before);
        if matches!(site.server.kind.dispatcher(), Some(Dispatcher { answer_cpu: None, .. })) {
            builder.brief_system_calls();
        }
        for (index, step) in endpoint.steps.iter().enumerate() {
            builder.step(index, step, &endpoint.steps);
        }
        let holds = site.server.connections.hold == Hold::Request;
        if holds && builder.resets() && endpoint.steps.iter().any(is_query) {
            builder.give_back();
        }
        builder.finish(after)
    }

    /// How many quantities are drawn for each request.
    pub(in crate::model) fn demands(&self) -> usize {
        self.draws.len()
    }
}

/// The operations of all programs in one list, and where each program begins in it.
pub(in crate::model) fn linked(programs: &[Program]) -> (Vec<Op>, Vec<u32>) {
    let (mut ops, mut starts) = (Vec::new(), Vec::new());
    for program in programs {
        starts.push(u32::try_from(ops.len()).expect("checked: few steps"));
        ops.extend_from_slice(&program.ops);
    }
    (ops, starts)
}

/// Builds a program step by step.
struct Builder<'a> {
    site: &'a Site,
    draws: Draws,
    ops: Vec<Op>,
    drawn: Vec<Quantity>,
}

impl Builder<'_> {
    fn step(&mut self, index: usize, step: &Step, steps: &[Step]) {
        match step {
            Step::Compute(dist) => {
                let amount = self.amount(dist, Quantity::Compute(index));
                self.compute(Amount { endpoint_cpu: amount.known, ..amount });
            }
            Step::Query { wait, cpu, driver } => {
                let driver = driver.unwrap_or(self.site.server.costs.query_cpu);
                let (early, sending, taking) = self.driver_parts(driver);
                self.compute(early);
                let first = !steps[..index].iter().any(is_query);
                self.connect(first);
                self.compute(sending);
                let wait = self.amount(wait, Quantity::QueryWait(index));
                let cpu = self.amount(cpu, Quantity::QueryCpu(index));
                self.query(wait, cpu);
                self.compute(taking);
                self.brief_system_calls();
                let last = !steps[index + 1..].iter().any(is_query);
                let hold = self.site.server.connections.hold;
                if hold == Hold::Query || hold == Hold::Queries && last {
                    self.give_back();
                }
                self.come_back();
            }
            Step::Call { wait, cpu } => {
                self.compute(Amount { known: *cpu, endpoint_cpu: *cpu, ..Amount::default() });
                let wait = self.amount(wait, Quantity::Call(index));
                self.wait(wait, Stage::Call);
                self.come_back();
            }
        }
    }

    /// After a wait a thread needs the GIL to go on, and a task its loop, even if nothing is left
    /// to compute but the next call or the answer (reference section 4.2). What is computed next
    /// joins this burst.
    fn come_back(&mut self) {
        let mut before = self.ops.iter().rev().filter(|op| !matches!(op, Op::Release));
        let waited = matches!(
            before.next(),
            Some(Op::Wait(..) | Op::WaitRemaining(..) | Op::DatabaseCompute(..))
        );
        if waited && self.site.server.goes_on_in_turn() {
            self.ops.push(Op::Compute(Amount::default()));
        }
    }

    /// The driver's CPU before a query has its connection, to send the query, and to take the
    /// result. Where threads wait for CPython's GIL, one that has waited for a connection needs the
    /// GIL to send its query, and again to take the result before it gives the connection back.
    /// What a query's driver takes beyond the stack's own goes into its many rows, and counts as
    /// the endpoint's CPU.
    fn driver_parts(&self, driver: Span) -> (Amount, Amount, Amount) {
        let endpoint_cpu = driver.saturating_sub(self.site.server.costs.query_cpu);
        let whole = Amount { known: driver, endpoint_cpu, ..Amount::default() };
        if self.site.server.kind.dispatcher().is_none() {
            return (whole, Amount::default(), Amount::default());
        }
        let [half, own] = [driver, endpoint_cpu].map(|it| it.scaled(0.5));
        let first = Amount { known: half, endpoint_cpu: own, ..Amount::default() };
        let second =
            Amount { known: driver - half, endpoint_cpu: endpoint_cpu - own, ..Amount::default() };
        (Amount::default(), first, second)
    }

    /// Takes a connection, unless the request holds one from an earlier query.
    fn connect(&mut self, first: bool) {
        if !first && self.site.server.connections.hold != Hold::Query {
            return;
        }
        let at = self.ops.len();
        self.ops.push(Op::Acquire { opening: 0 });
        let Database { connect_cpu, connect_wait, latency, .. } = self.site.database;
        let client = self.site.server.costs.connect_cpu;
        // The last slots are kept back from ordinary roles, so a refusal comes once the client has
        // proved who it is (PostgreSQL's `InitPostgres`).
        self.compute(Amount { known: client, ..Amount::default() });
        self.ops.push(Op::Open);
        self.database_compute(
            Amount { known: connect_cpu, ..Amount::default() },
            Stage::Connection,
        );
        let wait = connect_wait + latency * u64::from(Database::CONNECT_ROUND_TRIPS);
        self.wait(Amount { known: wait, ..Amount::default() }, Stage::Connection);
        let opening = (self.ops.len() - at - 1) as u16;
        self.ops[at] = Op::Acquire { opening };
    }

    /// The connection goes back to the pool; in a loop, once the loop comes to the query's answer.
    /// The pool may reset it first, with one query more that a task of its own sends: then the
    /// request goes on some iterations later.
    fn give_back(&mut self) {
        if !self.resets() {
            self.yields(usize::from(self.site.server.shares_connections_in_loop()));
            return self.ops.push(Op::Release);
        }
        let known = |known| Amount { known, ..Amount::default() };
        self.yields(YIELDS_TO_RESET);
        self.compute(known(self.site.server.costs.reset_cpu));
        self.query(known(Span::ZERO), known(self.site.database.reset_cpu));
        self.yields(1);
        self.ops.push(Op::Release);
        self.yields(YIELDS_AFTER_RESET);
    }

    /// Whether the pool resets a connection that it gets back.
    fn resets(&self) -> bool {
        !self.site.server.costs.reset_cpu.is_zero()
    }

    /// In a loop, yields to it `count` times.
    fn yields(&mut self, count: usize) {
        if matches!(self.site.server.kind, WorkerKind::Async { .. }) {
            self.ops.extend(std::iter::repeat_n(Op::Yield, count));
        }
    }

    /// Half the latency, the database's CPU, the query's wait, half the latency.
    fn query(&mut self, wait: Amount, cpu: Amount) {
        let latency = self.site.database.latency;
        let there = Span::from_nanos(latency.as_nanos() / 2);
        let back = latency - there;
        let step = self.site.database.wait_step;
        let stepped = wait != Amount::default() && !step.is_zero();
        let wait = if stepped { wait.stepped(step) } else { wait };
        if cpu == Amount::default() {
            return self.wait(Amount { known: wait.known + latency, ..wait }, Stage::Database);
        }
        self.wait(Amount { known: there, ..Amount::default() }, Stage::Database);
        if !stepped {
            self.database_compute(cpu, Stage::Database);
            return self.wait_for_result(Amount { known: wait.known + back, ..wait });
        }
        // It falls asleep in the middle of its work, and needs a core again for the answer.
        let half = Amount { known: cpu.known.scaled(0.5), share: Share::Half, ..cpu };
        self.database_compute(half, Stage::Database);
        self.wait_for_result(wait);
        self.database_compute(half, Stage::Database);
        self.wait(Amount { known: back, ..Amount::default() }, Stage::Database);
    }

    /// The database has the query and takes its time. The thread waits for the result; if it has
    /// lost the GIL by sending, it polls once before.
    fn wait_for_result(&mut self, wait: Amount) {
        if self.polls_result() {
            self.ops.push(Op::PollResult(Amount { known: RESULT_POLL_CPU, ..Amount::default() }));
            self.ops.push(Op::WaitRemaining(wait, Stage::Database));
        } else {
            self.wait(wait, Stage::Database);
        }
    }

    /// Whether a thread that has sent a query finds the GIL taken when it comes back from that: the
    /// database process that it has woken up runs on the same cores, for longer than a short system
    /// call takes.
    fn polls_result(&self) -> bool {
        self.threads_wake() && self.site.database.host.is_none()
    }

    /// Computes, in one burst with what was computed right before.
    fn compute(&mut self, amount: Amount) {
        if let Some(Op::Compute(last)) = self.ops.last_mut()
            && let Some(both) = last.and(amount)
        {
            *last = both;
        } else if amount != Amount::default() {
            self.ops.push(Op::Compute(amount));
        }
    }

    fn database_compute(&mut self, amount: Amount, stage: Stage) {
        if amount != Amount::default() {
            self.ops.push(Op::DatabaseCompute(amount, stage));
        }
    }

    fn wait(&mut self, amount: Amount, stage: Stage) {
        if amount != Amount::default() {
            self.ops.push(Op::Wait(amount, stage));
        }
    }

    /// A quantity: known where it is always the same, else one more demand of the request.
    fn amount(&mut self, dist: &Dist, drawn: Quantity) -> Amount {
        match dist {
            Dist::Fixed(span) if self.draws == Draws::Varying => {
                Amount { known: *span, ..Amount::default() }
            }
            _ => {
                self.drawn.push(drawn);
                let index = u16::try_from(self.drawn.len() - 1).expect("checked: few steps");
                Amount { drawn: Some(index), ..Amount::default() }
            }
        }
    }

    /// The stack's CPU before and after the endpoint's. There is some after it where threads wait
    /// for CPython's GIL and send their own answers: it follows the first system call of sending.
    fn request_parts(&self) -> (Amount, Amount) {
        let known = |known| Amount { known, ..Amount::default() };
        let whole = self.site.server.costs.request_cpu;
        match self.site.server.kind.dispatcher() {
            Some(Dispatcher { answer_cpu: None, .. }) => {
                let after = whole.scaled(AFTER_ENDPOINT);
                (known(whole.saturating_sub(after)), known(after))
            }
            _ => (known(whole), Amount::default()),
        }
    }

    /// See [`crate::model::rules::Features::threads_wake`].
    fn threads_wake(&self) -> bool {
        let slices = matches!(self.site.host.sharing, Sharing::Slices { .. });
        slices && self.site.server.kind.dispatcher().is_some()
    }

    /// Its thread makes brief system calls. On one core it loses the GIL over none of them.
    fn brief_system_calls(&mut self) {
        if self.threads_wake() && self.site.host.cores > 1 {
            self.ops.push(Op::SystemCalls(SystemCalls::Brief));
        }
    }

    fn finish(mut self, after: Amount) -> Program {
        let dispatcher = self.site.server.kind.dispatcher();
        let hand_back = dispatcher.and_then(|its| its.answer_cpu).map(|_| Op::HandBack);
        if self.site.host.cooling.is_some() && !self.site.server.costs.request_cpu.is_zero() {
            self.ops.push(Op::MarkStackRan);
        }
        if after != Amount::default() {
            self.ops.push(Op::SystemCalls(SystemCalls::Send));
            self.compute(after);
        }
        self.ops.extend(hand_back);
        let linger = self.site.server.linger;
        if !linger.is_zero() {
            self.ops.push(Op::AnswerThenLinger);
            self.wait(Amount { known: linger, ..Amount::default() }, Stage::Worker);
        }
        self.ops.push(Op::Answer);
        let refused = u32::try_from(self.ops.len()).expect("checked: few steps");
        let refusal = self.site.database.refusal_cpu;
        self.database_compute(Amount { known: refusal, ..Amount::default() }, Stage::Connection);
        self.ops.extend(hand_back);
        self.ops.push(Op::Refused);
        Program { ops: self.ops, refused, draws: self.drawn }
    }
}

fn is_query(step: &Step) -> bool {
    matches!(step, Step::Query { .. })
}
