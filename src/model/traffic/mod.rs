//! The requests: when they arrive, what each wants, and how far each has come.
//!
//! | room | what it does |
//! |---|---|
//! | `arrivals` | what a tape is: the requests of a run, in order of arrival |
//! | `drawn_tape` | requests drawn from a seed |
//! | `repeated_trace` | the requests of a site's trace, over and over |
//! | `caller_tape` | the caller's recorded requests, and how each ended |
//! | `sampling` | spans from a site's distributions |
//! | `program` | what a request for an endpoint does, as a list of operations |
//! | `request` | a live request: where it is, what it holds, what its time went to |

pub(super) mod arrivals;
pub(super) mod caller_tape;
pub(super) mod drawn_tape;
pub(super) mod program;
pub(super) mod repeated_trace;
pub(super) mod request;
pub(super) mod sampling;
