//! Runs replications of a site in parallel: results in index order, whatever the number of
//! threads, and little kept of each.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rayon::ThreadPool;

use crate::experiment::summary::Summary;
use crate::model::simulate;
use crate::seed::Seed;
use crate::site::Site;

/// The pool of threads that run simulations. Work of several combinations, and the replications of
/// each, share its threads.
#[derive(Debug)]
pub struct Crew {
    pool: ThreadPool,
}

impl Crew {
    /// A crew of `threads` threads (zero: as many as there are cores). Fails if the system grants
    /// no threads.
    pub fn new(threads: usize) -> io::Result<Crew> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(|pool| Crew { pool }).map_err(io::Error::other)
    }

    /// Applies `work` to each item, in parallel; results are in the items' order. Items are begun
    /// in that order, after those of earlier calls.
    pub(crate) fn map<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> R + Sync + Send,
    ) -> Vec<R> {
        let mut made: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let work = &work;
        self.pool.in_place_scope_fifo(|scope| {
            for (made, item) in made.iter_mut().zip(items) {
                scope.spawn_fifo(move |_| *made = Some(work(item)));
            }
        });
        made.into_iter().map(|made| made.expect("a scope ends when all its work is done")).collect()
    }
}

/// Items coordinated at a time, at most. Each usually submits eight runs or more at once; more
/// items would only keep more intermediate results in memory.
const MAX_COORDINATED: usize = 8;

/// Applies `lead` to each item, in parallel; results are in the items' order. `lead` itself must
/// take little time: it submits runs to a crew and waits for them. A thread of its own coordinates
/// each item, so that threads of the crew are idle only if no item has runs left.
pub(crate) fn map_coordinated<T: Sync, R: Send + Sync>(
    items: &[T],
    lead: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let made: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let take_turns = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            made[index].get_or_init(|| lead(item));
        }
    };
    thread::scope(|scope| {
        for _ in 1..items.len().min(MAX_COORDINATED) {
            // If the system grants no more threads, fewer items are coordinated at a time.
            let _ = thread::Builder::new().spawn_scoped(scope, take_turns);
        }
        take_turns();
    });
    made.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The progress of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Answers found: a row or a threshold is one.
    pub done: u64,
    /// Answers asked for.
    pub total: u64,
}

/// The part of a study that a run is simulated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A row: a combination at a tier's rate.
    Row,
    /// The saturation point.
    Saturation,
    /// The points that every curve has.
    Curve,
    /// The load line.
    LoadLine,
    /// The rate at which memory runs out.
    OutOfMemory,
}

impl Phase {
    /// How many phases there are.
    pub const COUNT: usize = 5;
    /// All phases, in the order in which a combination is examined.
    pub const ALL: [Phase; Phase::COUNT] =
        [Phase::Row, Phase::Saturation, Phase::Curve, Phase::LoadLine, Phase::OutOfMemory];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Row => "rows",
            Phase::Saturation => "saturation",
            Phase::Curve => "curve",
            Phase::LoadLine => "load line",
            Phase::OutOfMemory => "out of memory",
        }
    }
}

/// Counts what a study has done while it runs, and can end it early. Cannot change an answer.
pub struct Watch<'a> {
    cancel: &'a AtomicBool,
    tell: &'a (dyn Fn(Progress) + Sync),
    done: AtomicU64,
    total: AtomicU64,
    events: [AtomicU64; Phase::COUNT],
}

impl<'a> Watch<'a> {
    /// A watch that calls `tell` after every answer, in the thread that found it. Once `cancel` is
    /// true, no further run starts, and the study returns what is finished.
    pub fn new(cancel: &'a AtomicBool, tell: &'a (dyn Fn(Progress) + Sync)) -> Watch<'a> {
        let (done, total, events) = Default::default();
        Watch { cancel, tell, done, total, events }
    }

    /// Whether the study is to end.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Events simulated in this phase so far.
    pub fn events(&self, phase: Phase) -> u64 {
        self.events[phase as usize].load(Ordering::Relaxed)
    }

    /// Adds to the events simulated in this phase.
    pub(crate) fn spent(&self, phase: Phase, events: u64) {
        self.events[phase as usize].fetch_add(events, Ordering::Relaxed);
    }

    /// Sets the number of answers asked for.
    pub(crate) fn expect(&self, answers: u64) {
        self.total.store(answers, Ordering::Relaxed);
    }

    /// Adds to the number of answers found.
    pub(crate) fn found(&self, answers: u64) {
        let done = self.done.fetch_add(answers, Ordering::Relaxed) + answers;
        (self.tell)(Progress { done, total: self.total.load(Ordering::Relaxed) });
    }
}

/// Replications `from` to `to` of the experiment rooted at `root`, each folded into its summary as
/// soon as it ends: an outcome holds half a megabyte of histograms, a summary those of the response
/// times alone, and only until a sample merges them. `None` where the watch ended it first.
///
/// The seed depends on the replication alone, so that every site and rate faces the same
/// requests.
pub(crate) fn replicate(
    crew: &Crew,
    watch: &Watch,
    site: &Site,
    root: Seed,
    (from, to): (u32, u32),
) -> Option<Vec<Summary>> {
    let seeds: Vec<Seed> = (from..to).map(|index| root.replication(index)).collect();
    let run = |seed: &Seed| (!watch.cancelled()).then(|| Summary::of(&simulate(site, *seed), site));
    crew.map(&seeds, run).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sites::mm1;

    #[test]
    fn one_thread_and_five_give_the_same_summaries_in_the_same_order() {
        let (cancel, site) = (AtomicBool::new(false), mm1(8.0, 10.0));
        let watch = Watch::new(&cancel, &|_| ());
        let run = |threads| {
            let crew = Crew::new(threads).unwrap();
            replicate(&crew, &watch, &site, Seed::new(1), (2, 9)).unwrap()
        };
        assert_eq!(run(1), run(5));
    }

    #[test]
    fn a_cancelled_watch_starts_no_run() {
        let (cancel, site) = (AtomicBool::new(true), mm1(8.0, 10.0));
        let watch = Watch::new(&cancel, &|_| ());
        let crew = Crew::new(1).unwrap();
        assert_eq!(replicate(&crew, &watch, &site, Seed::new(1), (0, 4)), None);
    }
}
