//! Deadlines that all lie the same span after their beginnings.

use crate::units::{Span, Time};

/// Waiters, by number of the caller's, whose time is over after the same span each. So the first to
/// begin is the first to end, and a list in order of beginning needs no agenda. To leave it is one
/// relinking.
#[derive(Debug)]
pub struct Deadlines {
    span: Option<Span>,
    links: Vec<Link>,
    first: u32,
    last: u32,
    /// The first deadline on the list.
    next_due: Time,
}

/// A waiter's place in the list.
#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
    due: Time,
    listed: bool,
}

/// The number of no waiter.
const END: u32 = u32::MAX;
/// The link of a number that is not on the list.
const LOOSE: Link = Link { before: END, behind: END, due: Time::NEVER, listed: false };

impl Deadlines {
    /// No waiter yet; each will wait for `span`, or for ever.
    pub fn new(span: Option<Span>) -> Deadlines {
        Deadlines { span, links: Vec::new(), first: END, last: END, next_due: Time::NEVER }
    }

    /// Whether there are deadlines at all.
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.span.is_some()
    }

    /// Lists `id`, which has waited since `from`: no earlier than any listed before.
    #[inline]
    pub fn begin(&mut self, id: u32, from: Time) {
        if let Some(span) = self.span {
            self.list(id, from + span);
        }
    }

    /// Lists `id` as [`Deadlines::begin`] does; but only at whole multiples of `every` is it
    /// noticed that its time is over.
    #[inline]
    pub fn begin_polled(&mut self, id: u32, from: Time, every: Span) {
        if let Some(span) = self.span {
            let due = from + span - Time::ZERO;
            self.list(id, Time::ZERO + due.round_up_to(every));
        }
    }

    fn list(&mut self, id: u32, due: Time) {
        if self.links.len() <= id as usize {
            self.links.resize(id as usize + 1, LOOSE);
        }
        debug_assert!(!self.links[id as usize].listed, "{id} is listed once");
        debug_assert!(self.last_due() <= due, "deadlines are listed in order");
        self.links[id as usize] = Link { before: self.last, behind: END, due, listed: true };
        match self.last {
            END => (self.first, self.next_due) = (id, due),
            last => self.links[last as usize].behind = id,
        }
        self.last = id;
    }

    /// The last deadline on the list.
    fn last_due(&self) -> Time {
        self.links.get(self.last as usize).map_or(Time::ZERO, |link| link.due)
    }

    /// Takes `id` off the list, if it is on it.
    #[inline]
    pub fn end(&mut self, id: u32) {
        if self.span.is_some() {
            self.unlist(id);
        }
    }

    fn unlist(&mut self, id: u32) {
        if !self.links.get(id as usize).is_some_and(|link| link.listed) {
            return;
        }
        let Link { before, behind, .. } = self.links[id as usize];
        self.links[id as usize] = LOOSE;
        match before {
            END => self.first = behind,
            before => self.links[before as usize].behind = behind,
        }
        match behind {
            END => self.last = before,
            behind => self.links[behind as usize].before = before,
        }
        if before == END {
            let due = |first: u32| self.links[first as usize].due;
            self.next_due = if self.first == END { Time::NEVER } else { due(self.first) };
        }
    }

    /// The next deadline; [`Time::NEVER`] where there is none.
    #[inline]
    pub fn next_due(&self) -> Time {
        self.next_due
    }

    /// Takes the first off the list, and returns it.
    pub fn expire(&mut self) -> u32 {
        let first = self.first;
        self.end(first);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_begin_is_the_first_whose_time_is_over() {
        let at = Time::from_nanos;
        let mut waiting = Deadlines::new(Some(Span::from_nanos(10)));
        for (id, from) in [(4, 0), (2, 1), (9, 5)] {
            waiting.begin(id, at(from));
        }
        assert_eq!(waiting.next_due(), at(10));
        waiting.end(4);
        waiting.end(4);
        assert_eq!(waiting.next_due(), at(11));
        assert_eq!((waiting.expire(), waiting.next_due()), (2, at(15)));
        assert_eq!((waiting.expire(), waiting.next_due()), (9, Time::NEVER));
    }
}
