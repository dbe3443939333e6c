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

/// The threads that do the work, whoever hands it out: what is parallel inside one combination and
/// across combinations shares the same threads.
#[derive(Debug)]
pub struct Crew {
    pool: ThreadPool,
}

impl Crew {
    /// A crew of `threads` (zero: as many as there are cores). Fails where the system grants no
    /// threads.
    pub fn new(threads: usize) -> io::Result<Crew> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(|pool| Crew { pool }).map_err(io::Error::other)
    }

    /// What `work` makes of each item, in the items' order. Items are begun in that order, after what
    /// was handed out before them, whenever a thread is free.
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

/// At most so many items are led at a time: each mostly hands out eight pieces of work or more at
/// once, and what is known of it so far takes memory.
const MAX_COORDINATED: usize = 8;

/// What `lead` makes of each item, in the items' order, where all that takes time is work that it
/// hands to a crew and waits for. Each item is led by a thread of its own, so that a crew's thread
/// never waits for work when there is some of another item's.
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
            // Where the system grants no more threads, fewer items are led at a time.
            let _ = thread::Builder::new().spawn_scoped(scope, take_turns);
        }
        take_turns();
    });
    made.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// How far a study has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Answers found: a row or a threshold is one.
    pub done: u64,
    /// Answers asked for.
    pub total: u64,
}

/// What a run is simulated for.
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
    /// How many there are.
    pub const COUNT: usize = 5;
    /// All of them, in the order in which a combination is examined.
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

/// Looks on while a study runs, and can end it early. Nothing here can change an answer.
pub struct Watch<'a> {
    cancel: &'a AtomicBool,
    tell: &'a (dyn Fn(Progress) + Sync),
    done: AtomicU64,
    total: AtomicU64,
    events: [AtomicU64; Phase::COUNT],
}

impl<'a> Watch<'a> {
    /// Tells `tell` of every answer found, from whichever thread found it. Once `cancel` is true,
    /// no further run starts, and what is finished is returned.
    pub fn new(cancel: &'a AtomicBool, tell: &'a (dyn Fn(Progress) + Sync)) -> Watch<'a> {
        let (done, total, events) = Default::default();
        Watch { cancel, tell, done, total, events }
    }

    /// Whether the study is to end.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Events simulated for this purpose so far.
    pub fn events(&self, phase: Phase) -> u64 {
        self.events[phase as usize].load(Ordering::Relaxed)
    }

    /// So many more events were simulated for this purpose.
    pub(crate) fn spent(&self, phase: Phase, events: u64) {
        self.events[phase as usize].fetch_add(events, Ordering::Relaxed);
    }

    /// So many answers are asked for.
    pub(crate) fn expect(&self, answers: u64) {
        self.total.store(answers, Ordering::Relaxed);
    }

    /// So many more are found.
    pub(crate) fn found(&self, answers: u64) {
        let done = self.done.fetch_add(answers, Ordering::Relaxed) + answers;
        (self.tell)(Progress { done, total: self.total.load(Ordering::Relaxed) });
    }
}

/// Replications `from` to `to` of the experiment rooted at `root`, each folded into its summary
/// as soon as it ends: an outcome holds half a megabyte of histograms, a summary a few hundred
/// bytes. `None` where the watch ended it first.
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
