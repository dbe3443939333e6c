//! From sites to answers: trials run in parallel, replications folded into estimates, and the
//! search for the rates at which something gives way.
//!
//! [`sweep::run`] is the whole of it. It examines each combination in a `Lab`, which decides how
//! much to simulate at a rate (`lab`, `goal`, `overload`), runs the replications (`trial`), keeps a
//! summary of each (`summary`, `strata`) and folds them (`finding`, `bottleneck`, `alone`). `saturation`,
//! `load_line` and `memory` ask the lab for rates as `search` wants them tried, `capacity` puts together
//! what they find, and `demand` says by arithmetic where to look. `advice` says what could be changed
//! about a combination, and `explain` what each change comes to; `replay`, `recording` and `accuracy` put
//! predictions beside recordings.

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
mod overload;
mod pool;
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
