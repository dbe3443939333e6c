//! From answers to bytes: CSV, charts, a terminal summary and a page. Nothing here writes a file,
//! reads a clock or knows how the answers were obtained.

pub mod accuracy;
pub mod chart;
pub mod csv;
pub mod explained;
pub mod figure;
mod lines;
mod names;
pub mod notes;
pub mod page;
pub mod recorded;
pub mod text;
mod verdict;
mod words;

#[cfg(test)]
mod sample;
