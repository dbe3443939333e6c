//! From sites to answers: trials run in parallel, replications folded into estimates, and the
//! search for the rates at which something gives way.

pub mod answer;
