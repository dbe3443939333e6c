//! Statistics: histograms, time averages, estimates over replications, and curves through them.

pub mod estimate;
pub mod histogram;
pub mod level;
pub mod rising;
