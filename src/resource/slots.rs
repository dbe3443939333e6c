//! Some number of identical slots, and an orderly queue for them.
//!
//! A GIL or an event loop is one slot, a worker's threads are several.

use std::collections::VecDeque;

/// Slots, and a queue for them: first come, first served.
#[derive(Debug, Clone)]
pub struct Slots<T> {
    free: u32,
    queue: VecDeque<T>,
}

/// What became of an attempt to take a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seized {
    /// The slot is taken.
    Granted,
    /// It is in the queue.
    Queued,
}

impl<T: Copy> Slots<T> {
    /// `count` free slots.
    pub fn new(count: u32) -> Slots<T> {
        Slots { free: count, queue: VecDeque::new() }
    }

    /// Takes a slot for `waiter`, or puts it at the end of the queue.
    #[inline]
    pub fn seize(&mut self, waiter: T) -> Seized {
        if self.free > 0 {
            self.free -= 1;
            Seized::Granted
        } else {
            self.queue.push_back(waiter);
            Seized::Queued
        }
    }

    /// Gives a slot back: to the first in the queue, which is returned, or to none.
    #[inline]
    pub fn release(&mut self) -> Option<T> {
        let next = self.queue.pop_front();
        self.free += u32::from(next.is_none());
        next
    }

    /// Gives a slot back as [`Slots::release`] does, but to the one at `place` of the queue.
    pub fn release_to_any(&mut self, place: usize) -> Option<T> {
        if self.queue.len() > 1 {
            self.queue.swap(0, place);
        }
        self.release()
    }

    /// The queue; in the order of coming, unless [`Slots::release_to_any`] has changed it.
    pub fn queue(&self) -> impl Iterator<Item = T> {
        self.queue.iter().copied()
    }

    /// Whether a slot is free.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.free > 0
    }

    /// The first in the queue.
    pub fn first(&self) -> Option<T> {
        self.queue.front().copied()
    }

    /// How many are in the queue.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes `waiter` out of the queue, without a slot. Looks at the whole queue: for rare cases
    /// only.
    pub fn leave(&mut self, waiter: T)
    where
        T: PartialEq,
    {
        self.queue.retain(|other| *other != waiter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_go_to_the_first_that_asked() {
        let mut slots = Slots::new(2);
        let seized = ['a', 'b', 'c', 'd'].map(|waiter| slots.seize(waiter));
        assert_eq!(seized, [Seized::Granted, Seized::Granted, Seized::Queued, Seized::Queued]);
        assert_eq!(
            (slots.release(), slots.release(), slots.release()),
            (Some('c'), Some('d'), None)
        );
        assert!(slots.is_free());
    }

    #[test]
    fn a_slot_may_go_to_any_that_waits() {
        let mut slots = Slots::new(1);
        let seized = ['a', 'b', 'c'].map(|waiter| slots.seize(waiter));
        assert_eq!(seized, [Seized::Granted, Seized::Queued, Seized::Queued]);
        assert_eq!([slots.release_to_any(1), slots.release_to_any(0)], [Some('c'), Some('b')]);
    }
}
