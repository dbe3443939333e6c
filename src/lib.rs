//! stub
pub mod experiment;
pub mod kernel;
pub mod model;
pub mod outcome;
pub mod resource;
pub mod seed;
pub mod site;
pub mod stats;
pub mod units;
