//! The tests that see the crate from outside, one binary. Each module says what it holds it to.

mod determinism;
mod facts;
mod laws;
mod life;
mod mistakes;
mod support;
mod theory;
mod tidy;
