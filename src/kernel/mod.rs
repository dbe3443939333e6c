//! The agenda, deadlines, and streams of random numbers. Nothing here knows what is simulated.

pub mod agenda;
pub mod deadlines;
pub mod streams;
