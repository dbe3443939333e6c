//! Those who wait for an answer, and for how long.

use super::request::RequestId;
use crate::site::Client;
use crate::units::{Span, Time};

/// How long a client waits for the site: until an answer that it sends would come too late, after the
/// client's way to it and back.
pub(super) fn patience_here(client: &Client) -> Option<Span> {
    client.patience.map(|patience| patience.saturating_sub(client.round_trip))
}

/// Requests whose time runs out after the same span each: so the first to begin is the first to
/// end, and a list in order of beginning needs no agenda. Leaving it is one relinking.
#[derive(Debug)]
pub(super) struct Deadlines {
    span: Option<Span>,
    links: Vec<Link>,
    first: u32,
    last: u32,
    /// When the first one's time is over.
    next_due: Time,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
    due: Time,
    listed: bool,
}

const END: u32 = u32::MAX;
const LOOSE: Link = Link { before: END, behind: END, due: Time::NEVER, listed: false };

impl Deadlines {
    /// Nobody waits yet; each will wait for `span`, or for ever.
    pub(super) fn new(span: Option<Span>) -> Deadlines {
        Deadlines { span, links: Vec::new(), first: END, last: END, next_due: Time::NEVER }
    }

    /// Whether anyone's time runs out at all.
    #[inline]
    pub(super) fn is_limited(&self) -> bool {
        self.span.is_some()
    }

    /// Lists `id`, whose waiting began at `from`: no earlier than that of anyone listed before.
    #[inline]
    pub(super) fn begin(&mut self, id: RequestId, from: Time) {
        if let Some(span) = self.span {
            self.list(id, from + span);
        }
    }

    /// The same for somebody who looks only every so often whether the time is over.
    #[inline]
    pub(super) fn begin_polled(&mut self, id: u32, from: Time, every: Span) {
        if let Some(span) = self.span {
            let due = from + span - Time::ZERO;
            self.list(id, Time::ZERO + due.round_up_to(every));
        }
    }

    fn list(&mut self, id: RequestId, due: Time) {
        if self.links.len() <= id as usize {
            self.links.resize(id as usize + 1, LOOSE);
        }
        debug_assert!(!self.links[id as usize].listed, "nobody waits twice");
        self.links[id as usize] = Link { before: self.last, behind: END, due, listed: true };
        match self.last {
            END => (self.first, self.next_due) = (id, due),
            last => self.links[last as usize].behind = id,
        }
        self.last = id;
    }

    /// Takes `id` off the list, if it is on it.
    #[inline]
    pub(super) fn end(&mut self, id: RequestId) {
        if self.span.is_some() {
            self.unlist(id);
        }
    }

    fn unlist(&mut self, id: RequestId) {
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

    /// When the next one's time is over; [`Time::NEVER`] where nobody waits.
    #[inline]
    pub(super) fn next_due(&self) -> Time {
        self.next_due
    }

    /// Takes the first off the list.
    pub(super) fn expire(&mut self) -> RequestId {
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
