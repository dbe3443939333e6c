//! Pending events, the earliest first, and among equals the first scheduled.
//!
//! There is no cancelling. An event that has become pointless is for its handler to recognise.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::marker::PhantomData;

use crate::units::Time;

/// An event that fits in [`EVENT_BITS`] bits, so that an entry of the agenda is a pair of machine
/// words and one comparison orders it.
pub trait Event: Copy {
    /// The event as a number below 2^[`EVENT_BITS`].
    fn pack(self) -> u32;
    /// The event that `pack` turned into `bits`.
    fn unpack(bits: u32) -> Self;
}

/// How many bits an event has.
pub const EVENT_BITS: u32 = 28;
/// The rest of the lower word counts what was scheduled: 2^36 events (69 thousand million) go by
/// before the order of simultaneous ones could suffer; a run is bounded far below that.
const SEQUENCE_BITS: u32 = 64 - EVENT_BITS;

/// The agenda: a heap of packed keys, time above running number above event.
#[derive(Debug)]
pub struct Agenda<E> {
    heap: BinaryHeap<Reverse<u128>>,
    scheduled: u64,
    event: PhantomData<E>,
}

impl<E: Event> Agenda<E> {
    /// An empty one.
    pub fn new() -> Agenda<E> {
        Agenda { heap: BinaryHeap::new(), scheduled: 0, event: PhantomData }
    }

    /// Schedules `event` for `time`.
    #[inline]
    pub fn at(&mut self, time: Time, event: E) {
        debug_assert!(event.pack() < 1 << EVENT_BITS, "an event has {EVENT_BITS} bits");
        self.scheduled = (self.scheduled + 1) & ((1 << SEQUENCE_BITS) - 1);
        let low = self.scheduled << EVENT_BITS | u64::from(event.pack());
        self.heap.push(Reverse(u128::from(time.as_nanos()) << 64 | u128::from(low)));
    }

    /// When the next event is due; [`Time::NEVER`] where there is none.
    #[inline]
    pub fn next_time(&self) -> Time {
        match self.heap.peek() {
            Some(Reverse(key)) => Time::from_nanos((key >> 64) as u64),
            None => Time::NEVER,
        }
    }

    /// Takes the next event off the agenda.
    #[inline]
    pub fn pop(&mut self) -> Option<E> {
        let Reverse(key) = self.heap.pop()?;
        Some(E::unpack(key as u32 & ((1 << EVENT_BITS) - 1)))
    }
}

impl<E: Event> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Event for u32 {
        fn pack(self) -> u32 {
            self
        }
        fn unpack(bits: u32) -> u32 {
            bits
        }
    }

    #[test]
    fn events_come_by_time_and_among_equals_in_order_of_scheduling() {
        let mut agenda = Agenda::new();
        for (nanos, event) in [(20, 1), (10, 2), (20, 3), (10, 4), (0, (1 << EVENT_BITS) - 1)] {
            agenda.at(Time::from_nanos(nanos), event);
        }
        let mut order = Vec::new();
        while let Some(event) = agenda.pop() {
            order.push(event);
        }
        assert_eq!(order, [(1 << EVENT_BITS) - 1, 2, 4, 1, 3]);
        assert_eq!(agenda.next_time(), Time::NEVER);
    }
}
