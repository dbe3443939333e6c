//! How far long work has come, and how long it will still take: on a terminal only.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::experiment::trial::Progress;
use crate::trace::Source;

/// A progress bar on standard error with this template, and whether it is shown: where it is
/// `wanted` and standard error is a terminal.
fn progress_bar(wanted: bool, length: Option<u64>, template: &str) -> (ProgressBar, bool) {
    let shown = wanted && io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    (bar, shown)
}

/// A progress bar on standard error, or nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar, shown where `wanted` and standard error is a terminal.
    pub(super) fn new(wanted: bool) -> Bar {
        let template = "simulating {bar:30} {pos} of {len} answers, about {eta} left";
        let (bar, shown) = progress_bar(wanted, None, template);
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Bar { bar }
    }

    /// Shows how far the work has come.
    pub(super) fn show(&self, progress: Progress) {
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far a file has been read: a bar where its length is known, else a count of bytes.
#[derive(Debug)]
pub(super) struct Reading {
    bar: ProgressBar,
    read: Rc<Cell<u64>>,
    steps: Cell<u64>,
}

impl Reading {
    /// Watches `source`, where `wanted` and standard error is a terminal.
    pub(super) fn new(wanted: bool, source: &Source) -> Reading {
        let template = match source.length {
            Some(_) => "replaying {bar:30} {bytes} of {total_bytes}, about {eta} left",
            None => "replaying {spinner} {bytes} read",
        };
        let (bar, _) = progress_bar(wanted, source.length, template);
        Reading { bar, read: Rc::clone(&source.read), steps: Cell::new(0) }
    }

    /// One more request is read.
    pub(super) fn step(&self) {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get().is_multiple_of(1_024) {
            self.bar.set_position(self.read.get());
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
