//! The first request of a worker process.

use crate::units::{Bytes, Span};

/// What a worker's first request after its boot takes beyond later ones: an application imports
/// much of itself when it is first needed (Django: the URLconf, the handlers' modules, the
/// database's driver), and keeps it. Workers that are up when a run begins are past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRequest {
    /// Additional CPU of the worker.
    pub cpu: Span,
    /// The part of the worker's memory that is taken only then; at most all of it.
    pub memory: Bytes,
}

impl FirstRequest {
    /// A first request that takes no more than later ones.
    pub const LIKE_ANY: FirstRequest = FirstRequest { cpu: Span::ZERO, memory: Bytes::ZERO };
}
