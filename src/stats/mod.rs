//! Statistics: histograms, time averages, and estimates over replications.

pub mod estimate;
pub mod histogram;
pub mod level;
