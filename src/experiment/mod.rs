//! From sites to answers: trials run in parallel, replications folded into estimates, and the
//! search for the rates at which something gives way.
//!
//! [`sweep::run`] answers a whole study. It examines each combination in a `Lab`, which decides how
//! much to simulate at a rate (`lab`, `goal`, `overload`, `horizon`), runs the replications
//! (`trial`), keeps a summary of each (`summary`, `strata`), and folds them into a sample
//! (`sample`,
//! `stationarity`) whose bottleneck is named (`bottleneck`, `alone`). `saturation`, `load_line` and
//! `memory` let the lab simulate the rates that `search` wants tried; `rate_uncertainty` says how
//! precise their answers are, `capacity` puts them together, and `demand` gives bounds by
//! arithmetic.
//! `advice` lists what could be changed about a combination, and `explain` compares the changes.
//! `replay`, `recording` and `accuracy` put predictions beside recordings.

pub mod accuracy;
pub mod advice;
mod alone;
pub mod answer;
mod bottleneck;
mod capacity;
pub mod demand;
pub mod explain;
mod goal;
mod horizon;
mod lab;
mod load_line;
mod memory;
mod merged;
mod overload;
mod rate_uncertainty;
pub mod recording;
pub mod replay;
mod sample;
mod saturation;
mod search;
#[cfg(test)]
mod sites;
mod stationarity;
mod strata;
mod summary;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod trial;
