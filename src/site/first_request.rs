//! What a worker process does once.

use crate::units::{Bytes, Span};

/// What a worker's first request since its boot takes beyond any other: an application imports
/// much of itself when it is first needed (Django: the URLconf, the handlers' modules, the
/// database's driver), and keeps it. Workers that are up when a run begins have had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRequest {
    /// CPU of the worker. Zero: it costs what all cost.
    pub cpu: Span,
    /// What of the worker's memory it takes; at most all of it.
    pub memory: Bytes,
}

impl FirstRequest {
    /// A request like any other.
    pub const LIKE_ANY: FirstRequest = FirstRequest { cpu: Span::ZERO, memory: Bytes::ZERO };
}
