//! What a worker holds of its requests' memory where its allocator keeps freed blocks.

use crate::units::Bytes;

/// So many of the free blocks have something small and lasting in them, and are of no use. Measured:
/// workers with up to 45 and 41 requests of 3 MB in flight held 48 and 43 such blocks.
const SPLIT_BLOCKS: u64 = 2;

/// The blocks of requests in flight, and freed ones for those to come.
///
/// glibc maps large blocks one by one and gives each back when it is freed; but the first that is
/// makes it take all further ones of that size from the process's heap (`malloc.c`, the dynamic
/// mmap threshold). There it hands out the one first that was freed first, and gives back what lies
/// free at the heap's end. So the free blocks go round, and when the last one of the heap is freed,
/// all that are free lie before it and go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heap {
    /// Of requests in flight.
    used: Bytes,
    /// Of those that began before any had ended.
    mapped: Bytes,
    /// Whether any has ended.
    keeps: bool,
    /// Free.
    spare: Bytes,
    /// What was freed since the heap's last block was.
    freed: Bytes,
}

impl Heap {
    /// A request takes `bytes`. Returns how much of that has to come from the system.
    pub(super) fn take(&mut self, bytes: Bytes) -> Bytes {
        self.used += bytes;
        if !self.keeps {
            self.mapped += bytes;
        }
        let reused = bytes.min(self.spare.saturating_sub(bytes * SPLIT_BLOCKS));
        self.spare -= reused;
        bytes - reused
    }

    /// A request frees `bytes`: those who began first are the first to end. Returns how much goes
    /// back to the system: that, or where the allocator `keeps` blocks, once they have gone round,
    /// all that are free.
    pub(super) fn free(&mut self, bytes: Bytes, keeps: bool) -> Bytes {
        self.used -= bytes;
        self.keeps = keeps;
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

    const BLOCK: Bytes = Bytes::from_mib(3);

    #[test]
    fn what_is_free_goes_back_when_all_has_gone_round() {
        let mut heap = Heap::default();
        let (take, free) =
            (|heap: &mut Heap| heap.take(BLOCK), |heap: &mut Heap| heap.free(BLOCK, true));
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
        let mut heap = Heap::default();
        let again = [(); 3].map(|()| (heap.take(BLOCK), heap.free(BLOCK, false)));
        assert_eq!(again, [(BLOCK, BLOCK); 3]);
    }
}
