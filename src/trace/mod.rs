//! The edge where a recording of real traffic comes in: requests with what they asked for and how
//! they were answered, line by line, or every line that is wrong.

mod case;
mod line;
mod reader;

pub use case::Case;
pub use line::MOST_SEGMENTS;
pub use reader::{Failure, Mistakes, Reader, Source};
