//! Tests from outside, one binary. Each module says what it holds the crate to.

mod accuracy;
mod cli;
mod determinism;
mod facts;
mod laws;
mod life;
mod mistakes;
mod readme;
mod replay;
mod support;
mod theory;
mod tidy;
