//! What one run measured: counts, waits and levels. Plain data, and all that anything downstream
//! of the model ever sees.

use crate::seed::Seed;
use crate::stats::histogram::{self, Histogram};
use crate::stats::level::Usage;
use crate::units::{Bytes, Span, Time};

/// What one run measured. Counts and times are of the requests that *arrived* in the measured
/// window; levels are averages over that window.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The seed of the run.
    pub seed: Seed,
    /// How long was measured; shorter than asked for only where `stopped` says why.
    pub measured: Span,
    /// The limit that ended the run early, if one did.
    pub stopped: Option<Stopped>,
    /// How many came, and what became of them.
    pub counts: Counts,
    /// Responses of the requests answered well, one histogram per endpoint, in the site's order.
    pub response: Vec<Histogram>,
    /// How long each request that could have waited did, zeros included, by what it waited for:
    /// indexed by [`Queue`].
    pub waits: [Histogram; Queue::COUNT],
    /// Where the time of the requests answered well went, by length of response.
    pub profile: Profile,
    /// What was in use on average.
    pub levels: Levels,
    /// CPU in the window that requests took beyond their work because code had gone cold: on the
    /// workers' host, and on the database's own.
    pub cold_cpu: [Span; 2],
    /// Of that, on the workers' host in closing connections: after the answers, and nobody waits for it.
    pub cold_closing_cpu: Span,
    /// How many requests each arrival found inside (backlog and workers), itself not counted.
    pub seen: Histogram,
    /// Requests inside when the window opened and when it closed.
    pub inside: (u64, u64),
    /// Processes the OOM killer took, in the window.
    pub kills: u64,
    /// When the OOM killer first struck, in the whole run: on the workers' host, and on the database's
    /// own.
    pub first_kill: [Option<Time>; 2],
    /// Events the run took, in the whole run: arrivals, completions, waits over.
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

/// How many requests came, and what became of them.
/// `arrived = answered + failed + open`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Came.
    pub arrived: u64,
    /// Were answered well, while the client still waited.
    pub answered: u64,
    /// Failed, by cause: indexed by [`Cause`].
    pub failed: [u64; Cause::COUNT],
    /// Were still inside when the run ended.
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
    /// The backlog was full: a 502 at once, or the last TCP retry in vain.
    Backlog,
    /// The worker was at `limit_concurrency`: 503.
    Limit,
    /// The database refused the connection: 500.
    Connections,
    /// No connection of the pool came free in time: 500.
    Pool,
    /// Nginx gave up: 504. Or gunicorn killed the worker that was at it for too long: 500.
    Timeout,
    /// The client's patience was over.
    Patience,
    /// The process was killed with the request inside, and the connection closed: a 502 from Nginx. Or
    /// the database crashed: 500.
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
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them.
    pub const ALL: [Queue; Queue::COUNT] = [Queue::Worker, Queue::Gil, Queue::Connection];
}

/// Where a request's time goes. The stages of a request add up to its response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before it is in a worker's hands: Nginx, TCP retries, backlog, waiting for a thread.
    Worker,
    /// Waiting for the GIL, or for the event loop.
    Gil,
    /// Ready to run, and sharing the cores of the workers' host with others: the time beyond what the
    /// work needs.
    Cores,
    /// Waiting for a connection of the pool, or opening one.
    Connection,
    /// Computing.
    Compute,
    /// In the database: its CPU's work, its waits, and the way there and back.
    Database,
    /// Waiting for something outside.
    Call,
    /// As [`Stage::Cores`], of the database's own host.
    DatabaseCores,
    /// On the client's way to the site and back.
    Network,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 9;
    /// How many a request writes down: the first ones. The wait for the database's own cores is what
    /// they leave of its response, and the way to the site and back is the same for all.
    pub const RECORDED: usize = Stage::DatabaseCores as usize;
    /// All of them, waits first and then work, each in the order of a request's life.
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

/// Where the time of requests went, for requests of about the same response time: so that what
/// made the slow ones slow can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    buckets: Vec<Bucket>,
    /// Buckets that were set aside once they had all that 64 bits hold, each with its place.
    full: Vec<(usize, Bucket)>,
    /// The client's way to the site and back.
    way: Span,
}

/// Requests of about the same response time, in nanoseconds all together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bucket {
    /// Spent in each stage that is written down.
    spent: [u64; Stage::RECORDED],
    /// Their response times.
    response: u64,
    /// How many they are.
    count: u64,
}

/// The same of any number of requests.
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

    /// Mean seconds in each stage, with so long a way to the site and back; `None` where there is no
    /// request.
    fn mean(&self, way: Span) -> Option<[f64; Stage::COUNT]> {
        let each = |nanos: u128| nanos as f64 / self.count as f64 / 1e9;
        let mut means = [0.0; Stage::COUNT];
        for (mean, spent) in means.iter_mut().zip(self.spent) {
            *mean = each(spent);
        }
        let ways = u128::from(way.as_nanos()) * self.count;
        let elsewhere = self.spent.iter().sum::<u128>() + ways;
        means[Stage::DatabaseCores as usize] = each(self.response.saturating_sub(elsewhere));
        means[Stage::Network as usize] = way.as_secs();
        (self.count > 0).then_some(means)
    }
}

impl Profile {
    /// One bucket for so many of a histogram's: eight per doubling of response time, each at most
    /// an eighth of its value wide.
    const MERGED: usize = 16;

    /// With responses of so many nanoseconds in it a bucket is full: one more, which is shorter than
    /// these three centuries, still fits.
    const FULL: u64 = 1 << 63;

    /// An empty one, of requests whose clients are so far away.
    pub fn new(way: Span) -> Profile {
        let count = Profile::bucket(Span::from_nanos(u64::MAX)) + 1;
        Profile { buckets: vec![Bucket::default(); count], full: Vec::new(), way }
    }

    /// Takes in one request that took so many nanoseconds, which have this place in a histogram
    /// ([`histogram::bucket`]), spent as `spent` says.
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

    /// A bucket is full: an empty one takes its place.
    #[cold]
    fn set_aside(&mut self, place: usize) {
        self.full.push((place, std::mem::take(&mut self.buckets[place])));
    }

    /// Mean seconds in each stage of the requests whose response was about `response` (in the
    /// same bucket, at most an eighth wide); `None` where there was none.
    pub fn at(&self, response: Span) -> Option<[f64; Stage::COUNT]> {
        let place = Profile::bucket(response);
        let full = self.full.iter().filter(|(of, _)| *of == place).map(|(_, bucket)| bucket);
        Sums::of(full.chain([&self.buckets[place]])).mean(self.way)
    }

    /// Mean seconds in each stage over all requests; `None` where there was none.
    pub fn mean(&self) -> Option<[f64; Stage::COUNT]> {
        let full = self.full.iter().map(|(_, bucket)| bucket);
        Sums::of(full.chain(&self.buckets)).mean(self.way)
    }

    fn bucket(response: Span) -> usize {
        histogram::bucket(response.as_nanos()) / Profile::MERGED
    }
}

/// What was in use on average over the window, and at most.
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
    /// Busy worker slots: workers for sync, threads for threads, loops and GILs are `turns`.
    pub workers: Usage,
    /// GILs held, or event loops busy.
    pub turns: Usage,
    /// Connections in use.
    pub connections: Usage,
    /// Connections open, in use or kept.
    pub open_connections: Usage,
    /// Requests waiting for a connection of a pool.
    pub pool_queue: Usage,
    /// Memory of the workers' host, in bytes.
    pub memory: Usage,
}

/// The memory of a host at rest, line by line: what the arithmetic before the simulation shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// What it is, how many of it, and what each takes.
    pub lines: Vec<(String, u32, Bytes)>,
    /// The ceiling; `None` where there is none.
    pub ceiling: Option<Bytes>,
}

impl Budget {
    /// What is used at rest.
    pub fn used(&self) -> Bytes {
        self.lines.iter().fold(Bytes::ZERO, |sum, (_, count, each)| sum + *each * u64::from(*count))
    }

    /// Whether it fits.
    pub fn fits(&self) -> bool {
        self.ceiling.is_none_or(|ceiling| self.used() <= ceiling)
    }
}

impl std::fmt::Display for Budget {
    /// The arithmetic: `system 200MB + 5 x worker 200MB = 1.172GB > 1GB`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines =
            self.lines.iter().filter(|(_, count, each)| *each * u64::from(*count) > Bytes::ZERO);
        let line = |(name, count, each): &(String, u32, Bytes)| match count {
            1 => format!("{name} {each}"),
            many => format!("{many} x {name} {each}"),
        };
        let Some(first) = lines.next() else { return write!(f, "nothing") };
        let sum = lines.fold(line(first), |sum, each| sum + " + " + &line(each));
        write!(f, "{sum} = {}", self.used())?;
        match self.ceiling {
            Some(ceiling) if self.used() > ceiling => write!(f, " > {ceiling}"),
            Some(ceiling) => write!(f, " of {ceiling}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5,184,000 calls of six hours, as come at one a minute in ten years, are 3,551 years of waiting:
    /// six times what 64 bits hold. And as many of half that, in a bucket of their own.
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
            assert!(means[Stage::DatabaseCores as usize] <= 0.0, "nobody was there");
        }
    }
}
