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
//! | [`model`] | the simulated world | all of the above |
//! | [`experiment`] | trials in parallel, sweeps, and the search for what gives way | the model and below |
//! | [`trace`] | recorded traffic, or every line that is wrong | units, experiment's questions |
//! | [`scenario`] | the user's file, or every problem with it | units, seed, site, experiment's questions, trace |
//! | [`report`] | answers to bytes: CSV, charts, text, a page | everything but model, scenario and trace |
//! | [`cli`] | the commands | everything |
//!
//! A test reads the sources and holds this table.
//!
//! Where a number or a rule comes from is said beside it. "Reference section 6.2" is that section of
//! [`mod@reference`].
//!
//! # What is deliberately absent
//!
//! - `kernel` and `resource` know nothing of Python, PostgreSQL or requests.
//! - `model` performs no I/O, reads no clock, prints nothing, returns no `Result`.
//! - There is no global or thread-local state: a run is a value.
//! - There is no cancel operation on the agenda, and no event in the past.
//! - There are no trait objects, reference counts or hash maps on the path of an event.
//! - Nothing random is drawn but from a stream named by its purpose. What a request wants is drawn
//!   when it arrives, and what must be random later it carries with it or, where it concerns a
//!   process (the pause before a killed worker is started), comes from that purpose's own stream.
//! - There are no bare numbers with units in `Site` or `Outcome`.
//! - `report` cannot reach `model`: what is not in an `Outcome` cannot be reported.
//! - Only `cli` prints or exits.
//! - No queue grows without being measured, and no loop in `simulate` runs past a stated bound. What is
//!   remembered of a task or a process (where it last ran, what it is owed) goes by its number, and those
//!   come round again: a run remembers no more the longer it is.

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
