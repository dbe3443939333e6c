//! A level with a ceiling.

use crate::units::Bytes;

/// How much memory is used, of how much.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    used: Bytes,
    ceiling: Bytes,
}

impl Memory {
    /// Nothing used, of `ceiling`; without a ceiling where that is `None`.
    pub fn new(ceiling: Option<Bytes>) -> Memory {
        Memory { used: Bytes::ZERO, ceiling: ceiling.unwrap_or(Bytes::new(u64::MAX)) }
    }

    /// Uses `bytes` more, whether or not they fit: Linux grants them and kills later. Returns how
    /// many of them there are: those beyond the ceiling are asked for, and never had.
    #[inline]
    pub fn take(&mut self, bytes: Bytes) -> Bytes {
        let before = self.used;
        self.used += bytes;
        if self.used <= self.ceiling { bytes } else { self.ceiling.saturating_sub(before) }
    }

    /// Gives `bytes` back, which must not be more than is used. Returns how many of them were below
    /// the ceiling.
    #[inline]
    pub fn give(&mut self, bytes: Bytes) -> Bytes {
        let fitted = self.used <= self.ceiling;
        self.used -= bytes;
        if fitted { bytes } else { self.ceiling.saturating_sub(self.used) }
    }

    /// Whether `bytes` more fit.
    pub fn has_room_for(&self, bytes: Bytes) -> bool {
        self.used + bytes <= self.ceiling
    }

    /// Whether more is used than there is.
    pub fn is_over(&self) -> bool {
        self.used > self.ceiling
    }

    /// How much more is used than there is.
    pub fn excess(&self) -> Bytes {
        self.used.saturating_sub(self.ceiling)
    }

    /// How much is used.
    pub fn used(&self) -> Bytes {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_over_one_byte_past_its_ceiling() {
        let (mut memory, one) = (Memory::new(Some(Bytes::new(100))), Bytes::new(1));
        assert_eq!(memory.take(Bytes::new(99)), Bytes::new(99));
        assert_eq!(memory.take(Bytes::new(2)), one, "the other is not there");
        assert!(memory.is_over() && !memory.has_room_for(one));
        assert_eq!(memory.give(Bytes::new(3)), Bytes::new(2));
        assert!(!memory.is_over() && memory.has_room_for(one));
    }
}
