//! Ctrl-C: the first one lets what runs end in order, the second one ends the program. Neither
//! leaves half a file behind.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use super::folder;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C from now on; returns what becomes true with it. Where the system does not
/// let us watch, Ctrl-C ends the program at once, which leaves no half-written file either.
pub(super) fn watch() -> &'static AtomicBool {
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            stop();
        }
    });
    &INTERRUPTED
}

#[allow(clippy::exit, reason = "the user has asked twice")]
fn stop() {
    // To exit drops nothing, and so no file in the making.
    folder::clear_away();
    process::exit(130);
}
