//! The clock's agenda and the streams of random numbers. Nothing here knows what is simulated.

pub mod agenda;
pub mod streams;
