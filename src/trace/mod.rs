//! Reads recordings of real traffic: what each request asked for and how it was answered, line by
//! line, or else every line that is wrong.

mod case;
mod line;
mod reader;

pub use case::Case;
pub use reader::{Failure, Mistakes, Reader, Source};
