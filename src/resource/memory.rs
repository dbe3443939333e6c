//! A level with a ceiling.

use crate::units::Bytes;

/// How much is used, of how much.
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

    /// Uses `bytes` more, whether or not they fit: Linux grants them and kills later.
    pub fn take(&mut self, bytes: Bytes) {
        self.used += bytes;
    }

    /// Gives `bytes` back, which must not be more than is used.
    pub fn give(&mut self, bytes: Bytes) {
        self.used -= bytes;
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

    /// How much of it is there: what is beyond the ceiling was asked for, and is never had.
    pub fn held(&self) -> Bytes {
        self.used.min(self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_over_one_byte_past_its_ceiling() {
        let mut memory = Memory::new(Some(Bytes::new(100)));
        memory.take(Bytes::new(100));
        assert!(!memory.is_over());
        assert!(!memory.has_room_for(Bytes::new(1)));
        memory.take(Bytes::new(1));
        assert!(memory.is_over());
        memory.give(Bytes::new(1));
        assert!(!memory.is_over());
    }
}
