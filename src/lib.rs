//! Tonnage says how much traffic a Python web app carries on a VPS, what gives way first, and when
//! memory runs out. It answers by discrete-event simulation.
//!
//! # The idea
//!
//! One pure function between plain values: [`model::simulate`] turns a [`site::Site`] and a
//! [`seed::Seed`] into an [`outcome::Outcome`]. Everything before it turns files and flags into
//! sites; everything after it turns outcomes into answers, tables and charts. Inside it, a request
//! carries all its steps, drawn in full when it arrives, and a worker discipline is nothing but
//! the rule for what is held between steps.
//!
//! # The floors, in reading order
//!
//! | floor | what it is | imports |
//! |---|---|---|
//! | [`units`] | quantities with their unit in the type | nothing |
//! | [`seed`] | where a run's randomness starts | nothing |
//! | [`site`] | what is simulated, already valid | units |
//! | [`kernel`] | the agenda, deadlines, and streams of random numbers | units, seed |
//! | [`resource`] | slots, shared cores, memory: named by how they queue | units |
//! | [`stats`] | histograms, time averages, estimates over replications | units |
//! | [`outcome`] | what one run measured | units, seed, stats |
//! | [`model`] | the simulated world | units, seed, site, kernel, resource, stats, outcome |
//! | [`experiment`] | trials in parallel, sweeps, and the search for limits | units, seed, site, stats, outcome, model |
//! | [`trace`] | recorded traffic, or every line that is wrong | units, experiment |
//! | [`scenario`] | the user's file, or every problem with it | units, seed, site, outcome, experiment, trace |
//! | [`report`] | answers to bytes: CSV, charts, text, a page | units, seed, site, stats, outcome, experiment |
//! | [`cli`] | the commands | units, seed, site, experiment, trace, scenario, report |
//!
//! A test reads this table and holds every source to it. (What `trace`, `scenario` and `report`
//! import of `experiment` are the types of its questions and answers.)
//!
//! Where a number or a rule comes from is said beside it. "Reference section 6.2" is that section
//! of [`mod@reference`].
//!
//! # What is deliberately absent
//!
//! - `kernel` and `resource` know nothing of Python, PostgreSQL or requests.
//! - `model` performs no I/O, reads no clock, prints nothing, returns no `Result`.
//! - There is no global or thread-local state from `units` to `report`: a run is a value. `cli`
//!   has two statics, for Ctrl-C.
//! - There is no cancel operation on the agenda, and no event in the past.
//! - There are no trait objects, reference counts or hash maps on the path of an event.
//! - Every random number comes from a stream that is named by its purpose. What a request wants is
//!   drawn when it arrives. What must be random later is carried by the request; if it concerns a
//!   process (the pause before a killed worker is restarted), it comes from a stream of its own.
//! - `Site` and `Outcome` hold quantities as types with a unit. Means and variances are plain
//!   numbers, in the unit that their names or documentation give.
//! - `report` cannot reach `model`: what is not in an `Outcome` cannot be reported.
//! - Only `cli` prints or exits.
//! - No queue grows without being measured, and no loop in `simulate` runs past a stated bound.
//!   What is remembered of a task or a process (where it last ran, what it is owed) is kept under
//!   its number, and numbers are reused: the memory of a run does not grow with its length.

pub mod cli;
pub mod experiment;
pub mod kernel;
pub mod model;
pub mod outcome;
#[doc = include_str!("reference.md")]
pub mod reference {}
pub mod report;
pub mod resource;
pub mod scenario;
pub mod seed;
pub mod site;
pub mod stats;
pub mod trace;
pub mod units;
