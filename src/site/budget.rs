//! The arithmetic of a host's memory at rest, which needs no simulation.

use std::fmt;

use crate::units::Bytes;

/// The memory of a host before the first request, line by line.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Each line: its name, how many of it there are, and the memory of each.
    pub lines: Vec<(String, u32, Bytes)>,
    /// The host's memory; `None`: without limit.
    pub ceiling: Option<Bytes>,
}

impl Budget {
    /// Memory that is used at rest.
    pub fn used(&self) -> Bytes {
        self.lines.iter().fold(Bytes::ZERO, |sum, (_, count, each)| sum + *each * u64::from(*count))
    }

    /// Whether that fits into the host's memory.
    pub fn fits(&self) -> bool {
        self.ceiling.is_none_or(|ceiling| self.used() <= ceiling)
    }
}

impl fmt::Display for Budget {
    /// The arithmetic: `system 200MB + 5 x worker 200MB = 1.172GB > 1GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines =
            self.lines.iter().filter(|(_, count, each)| *each * u64::from(*count) > Bytes::ZERO);
        let line = |(name, count, each): &(String, u32, Bytes)| match count {
            1 => format!("{name} {each}"),
            many => format!("{many} x {name} {each}"),
        };
        let Some(first) = lines.next() else { return write!(f, "nothing") };
        let sum = lines.fold(line(first), |sum, each| sum + " + " + &line(each));
        write!(f, "{sum} = {}", self.used())?;
        match self.ceiling {
            Some(ceiling) if self.used() > ceiling => write!(f, " > {ceiling}"),
            Some(ceiling) => write!(f, " of {ceiling}"),
            None => Ok(()),
        }
    }
}
