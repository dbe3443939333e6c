//! Tests from outside, one binary. Each module says what it holds the crate to.

mod determinism;
mod facts;
mod laws;
mod life;
mod mistakes;
mod support;
mod theory;
mod tidy;
