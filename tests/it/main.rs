//! Tests from outside, one binary. Each module says what it holds the crate to.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod accuracy;
mod cli;
mod cores;
mod determinism;
mod explain;
mod facts;
mod kills;
mod laws;
mod life;
mod mistakes;
mod output;
mod readme;
mod recorded;
mod replay;
mod searches;
mod support;
mod theory;
mod tidy;
