//! What one run measured: counts, waits and levels. Plain data, and all that anything downstream
//! of the model ever sees.

use crate::seed::Seed;
use crate::stats::histogram::{self, Histogram};
use crate::stats::level::Usage;
use crate::units::{Span, Time};

/// What one run measured. Counts and times are of the requests that *arrived* in the measured
/// window; levels are averages over that window.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The seed of the run.
    pub seed: Seed,
    /// The length of the measured window; shorter than asked for only where `stopped` says why.
    pub measured: Span,
    /// The limit that ended the run early, if one did.
    pub stopped: Option<Stopped>,
    /// How many requests arrived, and how they ended.
    pub counts: Counts,
    /// Response times of the requests answered well, one histogram per endpoint, in the site's
    /// order.
    pub response: Vec<Histogram>,
    /// Waits for each queue of the requests that pass it, zeros included: indexed by [`Queue`].
    pub waits: [Histogram; Queue::COUNT],
    /// Where the time of the requests answered well went, by length of response.
    pub profile: Profile,
    /// Mean and peak use of the resources.
    pub levels: Levels,
    /// CPU in the window that requests took beyond their work because code had gone cold: on the
    /// workers' host, and on the database's own.
    pub cold_cpu: [Span; 2],
    /// The part of that which closes connections on the workers' host. It comes after the answers,
    /// so no request waits for it.
    pub cold_closing_cpu: Span,
    /// How many requests each arrival found inside (backlog and workers), itself not counted.
    pub seen: Histogram,
    /// Requests inside when the window opened and when it closed.
    pub inside: (u64, u64),
    /// Processes that the OOM killer killed in the window.
    pub kills: u64,
    /// When the OOM killer first struck, in the whole run: on the workers' host, and on the
    /// database's own.
    pub first_kill: [Option<Time>; 2],
    /// Events of the whole run: arrivals, completions, ends of waits.
    pub events: u64,
}

/// A limit of the simulator that ended a run early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// As many requests were inside as the horizon allows.
    InFlight,
    /// As many requests had arrived as the horizon allows.
    Arrivals,
}

/// How many requests arrived, and how they ended.
/// `arrived = answered + failed + open`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that arrived in the window.
    pub arrived: u64,
    /// Requests that were answered well, while the client still waited.
    pub answered: u64,
    /// Requests that failed, by cause: indexed by [`Cause`].
    pub failed: [u64; Cause::COUNT],
    /// Requests that were still inside when the run ended.
    pub open: u64,
}

impl Counts {
    /// How many failed, whatever the cause.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// Why a request was not answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The backlog was full: a 502 at once, or the last TCP retry failed.
    Backlog,
    /// The worker was at `limit_concurrency`: 503.
    Limit,
    /// The database refused the connection: 500.
    Connections,
    /// No connection of the pool came free in time: 500.
    Pool,
    /// Nginx gave up: 504. Or gunicorn killed the worker, which had worked on it for too long: 500.
    Timeout,
    /// The client's patience was over.
    Patience,
    /// The process was killed with the request inside, and the connection closed: a 502 from Nginx.
    /// Or the database crashed: 500.
    Killed,
    /// No process was listening any more: a 502 from Nginx. Or no database: 500.
    Down,
}

impl Cause {
    /// How many causes there are.
    pub const COUNT: usize = 8;
    /// All of them, in the order of the columns.
    pub const ALL: [Cause; Cause::COUNT] = [
        Cause::Backlog,
        Cause::Limit,
        Cause::Connections,
        Cause::Pool,
        Cause::Timeout,
        Cause::Patience,
        Cause::Killed,
        Cause::Down,
    ];
}

/// What a request queues for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// A place in a worker: backlog, and a thread of its process.
    Worker,
    /// The GIL, or the event loop.
    Gil,
    /// A connection of the pool.
    Connection,
}

impl Queue {
    /// How many queues there are.
    pub const COUNT: usize = 3;
    /// All queues, by index.
    pub const ALL: [Queue; Queue::COUNT] = [Queue::Worker, Queue::Gil, Queue::Connection];
}

/// Where a request's time goes. The stages of a request add up to its response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before a worker works on it: Nginx, TCP retries, backlog, waiting for a thread.
    Worker,
    /// Waiting for the GIL, or for the event loop.
    Gil,
    /// Ready to run, and sharing the cores of the workers' host with others: the time beyond what
    /// the work needs.
    Cores,
    /// Waiting for a connection of the pool, or opening one.
    Connection,
    /// Computing.
    Compute,
    /// In the database: its CPU time, its waits, and the round trips between it and the worker.
    Database,
    /// Waiting for something outside the host, such as an API.
    Call,
    /// Ready to run, and sharing the cores of the database's own host with others: the time beyond
    /// what the work needs.
    DatabaseCores,
    /// The round trip between client and site.
    Network,
}

impl Stage {
    /// How many stages there are.
    pub const COUNT: usize = 9;
    /// How many stages a request records itself: the first ones. Time waiting for the database's
    /// own cores is the rest of the response; network time is the same for every request.
    pub const RECORDED: usize = Stage::DatabaseCores as usize;
    /// All stages: waits first and then work, each in the order of a request's life.
    pub const ALL: [Stage; Stage::COUNT] = [
        Stage::Worker,
        Stage::Gil,
        Stage::Cores,
        Stage::Connection,
        Stage::DatabaseCores,
        Stage::Compute,
        Stage::Database,
        Stage::Call,
        Stage::Network,
    ];
}

/// Where the time of requests went, by response time: shows what made slow requests slow.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    buckets: Vec<Bucket>,
    /// Buckets that were full and were replaced by empty ones, each with its index.
    full: Vec<(usize, Bucket)>,
    /// The client's round trip to the site.
    round_trip: Span,
}

/// Requests of about the same response time: sums over them, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bucket {
    /// Time in each recorded stage.
    spent: [u64; Stage::RECORDED],
    /// Response times.
    response: u64,
    /// How many requests.
    count: u64,
}

/// The sums over any number of buckets.
#[derive(Debug, Default)]
struct Sums {
    spent: [u128; Stage::RECORDED],
    response: u128,
    count: u128,
}

impl Sums {
    fn of<'a>(buckets: impl Iterator<Item = &'a Bucket>) -> Sums {
        let mut sums = Sums::default();
        for bucket in buckets {
            for (sum, more) in sums.spent.iter_mut().zip(bucket.spent) {
                *sum += u128::from(more);
            }
            sums.response += u128::from(bucket.response);
            sums.count += u128::from(bucket.count);
        }
        sums
    }

    /// Mean seconds in each stage, of which `round_trip` is the network's; `None` where there is no
    /// request.
    fn mean(&self, round_trip: Span) -> Option<[f64; Stage::COUNT]> {
        let each = |nanos: u128| nanos as f64 / self.count as f64 / 1e9;
        let mut means = [0.0; Stage::COUNT];
        for (mean, spent) in means.iter_mut().zip(self.spent) {
            *mean = each(spent);
        }
        let network = u128::from(round_trip.as_nanos()) * self.count;
        let elsewhere = self.spent.iter().sum::<u128>() + network;
        means[Stage::DatabaseCores as usize] = each(self.response.saturating_sub(elsewhere));
        means[Stage::Network as usize] = round_trip.as_secs();
        (self.count > 0).then_some(means)
    }
}

impl Profile {
    /// How many of a histogram's buckets make one here. That leaves eight per doubling of response
    /// time, each at most an eighth of its value wide.
    const MERGED: usize = 16;

    /// A bucket whose response times add up to this many nanoseconds is full. One more response,
    /// which is shorter than these 292 years, still fits into 64 bits.
    const FULL: u64 = 1 << 63;

    /// An empty profile of requests whose network time is `round_trip`.
    pub fn new(round_trip: Span) -> Profile {
        let count = Profile::bucket(Span::from_nanos(u64::MAX)) + 1;
        Profile { buckets: vec![Bucket::default(); count], full: Vec::new(), round_trip }
    }

    /// Records a request that took `nanos` nanoseconds, of which `spent` went to each stage.
    /// `bucket` is the index of `nanos` in a histogram ([`histogram::bucket`]).
    #[inline]
    pub fn record(&mut self, bucket: usize, nanos: u64, spent: &[Span; Stage::RECORDED]) {
        let into = &mut self.buckets[bucket / Profile::MERGED];
        for (sum, span) in into.spent.iter_mut().zip(spent) {
            *sum = sum.wrapping_add(span.as_nanos());
        }
        into.response = into.response.wrapping_add(nanos);
        into.count = into.count.wrapping_add(1);
        if into.response >= Profile::FULL {
            self.set_aside(bucket / Profile::MERGED);
        }
    }

    /// Sets the full bucket at `place` aside and puts an empty one there.
    #[cold]
    fn set_aside(&mut self, place: usize) {
        self.full.push((place, std::mem::take(&mut self.buckets[place])));
    }

    /// Mean seconds in each stage of the requests whose response was about `response` (in the
    /// same bucket, at most an eighth wide); `None` where there was none.
    pub fn at(&self, response: Span) -> Option<[f64; Stage::COUNT]> {
        let place = Profile::bucket(response);
        let full = self.full.iter().filter(|(of, _)| *of == place).map(|(_, bucket)| bucket);
        Sums::of(full.chain([&self.buckets[place]])).mean(self.round_trip)
    }

    /// Mean seconds in each stage over all requests; `None` where there was none.
    pub fn mean(&self) -> Option<[f64; Stage::COUNT]> {
        let full = self.full.iter().map(|(_, bucket)| bucket);
        Sums::of(full.chain(&self.buckets)).mean(self.round_trip)
    }

    fn bucket(response: Span) -> usize {
        histogram::bucket(response.as_nanos()) / Profile::MERGED
    }
}

/// Mean and peak use of each resource over the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels {
    /// Busy cores of the workers' host.
    pub cores: Usage,
    /// Busy cores of the database's own host; zero where it has none.
    pub database_cores: Usage,
    /// Requests in the kernel's backlog.
    pub backlog: Usage,
    /// Requests inside: backlog and workers.
    pub inside: Usage,
    /// Requests that hold a place in a worker: one per busy worker (sync) or thread (threads), and
    /// every accepted request of an async worker. Busy loops and held GILs are `turns`.
    pub workers: Usage,
    /// GILs held, or event loops busy.
    pub turns: Usage,
    /// Connections in use.
    pub connections: Usage,
    /// Open connections, used or idle.
    pub open_connections: Usage,
    /// Requests waiting for a connection of a pool.
    pub pool_queue: Usage,
    /// Memory of the workers' host, in bytes.
    pub memory: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5,184,000 calls of six hours, which is one a minute for ten years, wait 3,551 years
    /// together: six times what 64 bits of nanoseconds hold. As many calls of three hours fill
    /// another bucket.
    #[test]
    fn millennia_of_waiting_are_added_up_as_seconds_are() {
        let mut profile = Profile::new(Span::from_millis(1));
        let [long, short] = [6, 3].map(|hours| Span::from_whole_secs(hours * 3_600));
        for call in [long, short] {
            let mut spent = [Span::ZERO; Stage::RECORDED];
            (spent[Stage::Call as usize], spent[Stage::Gil as usize]) =
                (call, Span::from_millis(2));
            let nanos = (call + Span::from_millis(3)).as_nanos();
            (0..5_184_000).for_each(|_| profile.record(histogram::bucket(nanos), nanos, &spent));
        }
        let [all, slow] = [profile.mean(), profile.at(long)].map(Option::unwrap);
        for (means, call) in [(all, 16_200.0), (slow, 21_600.0)] {
            let expected = [(Stage::Call, call), (Stage::Gil, 2e-3), (Stage::Network, 1e-3)];
            for (stage, secs) in expected {
                assert!((means[stage as usize] / secs - 1.0).abs() < 1e-12, "{stage:?}: {means:?}");
            }
            assert!(means[Stage::DatabaseCores as usize] <= 0.0, "no host of its own");
        }
    }
}
