//! stub
pub mod experiment;
pub mod outcome;
pub mod report;
pub mod seed;
pub mod site;
pub mod stats;
pub mod units;
