//! How far long work has come, and how long it will still take: on a terminal only.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::experiment::trial::Progress;

/// A progress bar on standard error, or nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar, shown where `wanted` and standard error is a terminal.
    pub(super) fn new(wanted: bool) -> Bar {
        let shown = wanted && io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(
            "simulating {bar:30} {pos} of {len} answers, about {eta} left",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Bar { bar }
    }

    /// Shows how far the work has come.
    pub(super) fn show(&self, progress: Progress) {
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
