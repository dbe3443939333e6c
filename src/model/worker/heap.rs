//! How much of its requests' memory a worker keeps, where its allocator keeps freed blocks.

use std::collections::VecDeque;

use crate::site::{Server, WorkerKind};
use crate::units::Bytes;

/// How many of the free blocks have something small and lasting in them, and are of no use.
/// Measured: workers with up to 45 and 41 requests of 3 MB in flight held 48 and 43 such blocks.
const SPLIT_BLOCKS: u64 = 2;

/// What a worker holds of its requests' memory.
#[derive(Debug)]
pub(in crate::model) enum Heap {
    /// One heap for all its requests.
    OfProcess(Blocks),
    /// One arena for each of its threads.
    OfThreads(Arenas),
}

impl Heap {
    /// The heap of a process of `server`, which has all of its threads or none yet.
    pub(in crate::model) fn new(server: &Server, has_threads: bool) -> Heap {
        match server.kind {
            WorkerKind::Threads { threads, .. }
                if server.keeps_memory && !server.kind.is_behind_loop() =>
            {
                let there = if has_threads { threads as usize } else { 0 };
                Heap::OfThreads(Arenas { idle: vec![Bytes::ZERO; there].into(), busy: Vec::new() })
            }
            _ => Heap::OfProcess(Blocks { may_keep: server.keeps_memory, ..Blocks::default() }),
        }
    }

    /// A request takes `bytes`. Returns how much of that has to come from the system.
    pub(in crate::model) fn take(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Heap::OfProcess(blocks) => blocks.take(bytes),
            Heap::OfThreads(arenas) => arenas.take(bytes),
        }
    }

    /// A request frees `bytes`. Returns how much goes back to the system; `chance` draws a number
    /// from 0 to 1.
    pub(in crate::model) fn free(&mut self, bytes: Bytes, chance: impl FnOnce() -> f64) -> Bytes {
        match self {
            Heap::OfProcess(blocks) => blocks.free(bytes),
            Heap::OfThreads(arenas) => arenas.free(bytes, chance() < BLOCK_STAYS),
        }
    }
}

/// How likely a block that a thread frees stays in its arena, because something small and lasting
/// has come to lie above it. Measured: of the threads of a pool that held no block, 0.2 (at 3
/// requests a second) to 0.6 (at 10) did after their next request.
const BLOCK_STAYS: f64 = 0.4;

/// What each thread of a pool keeps in its arena: in the end, the largest block that it had. The
/// thread that has been idle for longest takes the next request, and a thread is only added where
/// none is idle (`ThreadPoolExecutor`), so each has its turn. Measured: pools of 8, 16, 24 and 40
/// threads come to hold 9, 17, 31 and 41 blocks of 3 MB, however few requests are in flight.
///
/// The threads behind a loop, anyio's, are not such a pool: the one that has been idle for the
/// shortest time is next, so only as many as are at work hold anything.
#[derive(Debug)]
pub(in crate::model) struct Arenas {
    /// What idle threads keep, the one that has been idle longest first.
    idle: VecDeque<Bytes>,
    /// For each thread at work: what its request takes, and what the thread had kept.
    busy: Vec<(Bytes, Bytes)>,
}

impl Arenas {
    fn take(&mut self, bytes: Bytes) -> Bytes {
        let kept = self.idle.pop_front().unwrap_or_default();
        self.busy.push((bytes, kept));
        bytes.saturating_sub(kept)
    }

    fn free(&mut self, bytes: Bytes, stays: bool) -> Bytes {
        let Some(at) = self.busy.iter().position(|(asked, _)| *asked == bytes) else {
            return Bytes::ZERO;
        };
        let (_, kept) = self.busy.remove(at);
        self.idle.push_back(if stays { kept.max(bytes) } else { kept });
        if stays { Bytes::ZERO } else { bytes.saturating_sub(kept) }
    }
}

/// The blocks of requests in flight, and freed ones for those to come.
///
/// glibc maps large blocks one by one and gives each back when it is freed; but the first that is
/// makes it take all further ones of that size from the process's heap (`malloc.c`, the dynamic
/// mmap threshold). There it hands out the one first that was freed first, and gives back what lies
/// free at the heap's end. So the free blocks go round, and when the last one of the heap is freed,
/// all that are free lie before it and go back.
#[derive(Debug, Default)]
pub(in crate::model) struct Blocks {
    /// Whether the allocator keeps blocks at all.
    may_keep: bool,
    /// Of requests in flight.
    used: Bytes,
    /// Of requests that began before any had ended.
    mapped: Bytes,
    /// Whether any request has ended.
    keeps: bool,
    /// In free blocks.
    spare: Bytes,
    /// What was freed since the last block of the heap was.
    freed: Bytes,
}

impl Blocks {
    fn take(&mut self, bytes: Bytes) -> Bytes {
        self.used += bytes;
        if !self.keeps {
            self.mapped += bytes;
        }
        let reused = bytes.min(self.spare.saturating_sub(bytes * SPLIT_BLOCKS));
        self.spare -= reused;
        bytes - reused
    }

    /// The requests that began first are the first to end. What goes back to the system is their
    /// blocks or, where blocks are kept, all free ones once they have gone round.
    fn free(&mut self, bytes: Bytes) -> Bytes {
        self.used -= bytes;
        self.keeps = self.may_keep;
        if self.mapped > Bytes::ZERO {
            self.mapped -= bytes.min(self.mapped);
            return bytes;
        }
        self.freed += bytes;
        self.spare += bytes;
        if self.freed < self.used + self.spare {
            return Bytes::ZERO;
        }
        self.freed = Bytes::ZERO;
        let back = self.spare.saturating_sub(bytes * SPLIT_BLOCKS);
        self.spare -= back;
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Dispatcher;
    use crate::units::Span;

    const BLOCK: Bytes = Bytes::from_mib(3);

    #[test]
    fn what_is_free_goes_back_when_all_has_gone_round() {
        let mut heap = Blocks { may_keep: true, ..Blocks::default() };
        let (take, free) =
            (|heap: &mut Blocks| heap.take(BLOCK), |heap: &mut Blocks| heap.free(BLOCK));
        // Two before any has ended: each goes back at once. From then on blocks are kept.
        assert_eq!([take(&mut heap), take(&mut heap)], [BLOCK; 2]);
        assert_eq!([free(&mut heap), free(&mut heap)], [BLOCK; 2]);
        assert_eq!([(); 4].map(|()| take(&mut heap)), [BLOCK; 4]);
        // One after the other: the last one freed is the last of the heap.
        let none = Bytes::ZERO;
        assert_eq!([(); 4].map(|()| free(&mut heap)), [none, none, none, BLOCK * 2]);
        assert_eq!([take(&mut heap), free(&mut heap)], [BLOCK, none], "two are of no use");
        assert_eq!([take(&mut heap), free(&mut heap)], [none, none], "the third is used again");
    }

    #[test]
    fn an_allocator_that_keeps_nothing_takes_all_from_the_system() {
        let mut heap = Blocks::default();
        let again = [(); 3].map(|()| (heap.take(BLOCK), heap.free(BLOCK)));
        assert_eq!(again, [(BLOCK, BLOCK); 3]);
    }

    /// Of the threads behind a loop the one that was idle for the shortest time is next.
    #[test]
    fn threads_behind_a_loop_share_one_heap_and_those_of_a_pool_do_not() {
        let heap = |answer_cpu| {
            let dispatcher = Dispatcher {
                dispatch_cpu: Span::from_millis(1),
                answer_cpu,
                finish_cpu: Span::ZERO,
                limit_concurrency: None,
            };
            let kind = WorkerKind::Threads {
                threads: 4,
                switch_interval: Span::from_millis(5),
                worker_connections: None,
                dispatcher: Some(dispatcher),
            };
            let mut server = Server::textbook(kind, 1);
            server.keeps_memory = true;
            Heap::new(&server, false)
        };
        assert!(matches!(heap(Some(Span::ZERO)), Heap::OfProcess(Blocks { may_keep: true, .. })));
        assert!(matches!(heap(None), Heap::OfThreads(_)));
    }

    #[test]
    fn each_thread_of_a_pool_keeps_the_largest_block_that_stayed() {
        let none = Bytes::ZERO;
        let mut arenas = Arenas { idle: vec![none; 2].into(), busy: Vec::new() };
        // One after the other, and still by turns.
        let again = [true, false, true, true];
        let again = again.map(|stays| (arenas.take(BLOCK), arenas.free(BLOCK, stays)));
        assert_eq!(again, [(BLOCK, none), (BLOCK, BLOCK), (none, none), (BLOCK, none)]);
        assert_eq!(arenas.take(BLOCK * 2), BLOCK, "the rest of a larger one");
        assert_eq!(arenas.take(Bytes::new(1)), none, "a smaller one is there");
        assert_eq!(arenas.take(BLOCK), BLOCK, "a third thread");
        assert_eq!(arenas.free(BLOCK * 2, true), none);
        assert_eq!(arenas.take(BLOCK * 2), none);
    }
}
