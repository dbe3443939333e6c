//! The cores of a host, however they are shared.

use crate::resource::cores::Cores;
use crate::resource::sliced::{Cooling, Sliced, Waking};
use crate::site::{Host, Sharing};
use crate::units::{Span, Time};

/// The cores of a host. See [`Cores`] and [`Sliced`] for what each operation does.
#[derive(Debug)]
pub(super) enum Processor {
    Fair(Cores),
    Sliced(Sliced),
}

impl Processor {
    /// The idle cores of `host`.
    pub(super) fn new(host: &Host) -> Processor {
        match host.sharing {
            Sharing::Fair => Processor::Fair(Cores::new(host.cores, host.speed)),
            Sharing::Slices { slice, cold, cold_code, cold_after } => {
                let cooling = Cooling { most: cold, code: cold_code, over: cold_after };
                let cooling = (!cold_after.is_zero()).then_some(cooling);
                Processor::Sliced(Sliced::new(host.cores, host.speed, slice, cooling))
            }
        }
    }

    /// Returns whether one more core is busy.
    #[inline]
    pub(super) fn start(&mut self, now: Time, task: u32, process: u32, work: Span) -> bool {
        match self {
            Processor::Fair(cores) => cores.start(now, task, work),
            Processor::Sliced(cores) => cores.start(now, task, process, work),
        }
    }

    /// See [`Sliced::wake`]; on cores shared fairly all run at once.
    pub(super) fn wake(&mut self, now: Time, task: (u32, u32), work: Span, waking: Waking) -> bool {
        match self {
            Processor::Fair(cores) => cores.start(now, task.0, work),
            Processor::Sliced(cores) => cores.wake(now, task, work, waking),
        }
    }

    /// When the next task is done, or gives way.
    #[inline]
    pub(super) fn next_change(&mut self) -> Time {
        match self {
            Processor::Fair(cores) => cores.next_finish(),
            Processor::Sliced(cores) => cores.next_change(),
        }
    }

    /// What changes at `now`: a task is done, and returned with whether one core fewer is busy,
    /// or one has given way.
    #[inline]
    pub(super) fn change(&mut self, now: Time) -> Option<(u32, bool)> {
        match self {
            Processor::Fair(cores) => Some(cores.finish(now)),
            Processor::Sliced(cores) => cores.change(now),
        }
    }

    /// Whether the last change put a core to work that had none.
    pub(super) fn woke(&self) -> bool {
        match self {
            Processor::Fair(_) => false,
            Processor::Sliced(cores) => cores.woke(),
        }
    }

    pub(super) fn stop(&mut self, now: Time, task: u32) -> Option<(Span, bool)> {
        match self {
            Processor::Fair(cores) => cores.stop(now, task),
            Processor::Sliced(cores) => cores.stop(now, task),
        }
    }

    /// See [`Sliced::chill`]; cores shared fairly have no caches.
    #[inline]
    pub(super) fn chill(&self, code: Span, away: Span) -> Span {
        match self {
            Processor::Fair(_) => Span::ZERO,
            Processor::Sliced(cores) => cores.chill(code, away),
        }
    }

    #[inline]
    pub(super) fn alone(&self, work: Span) -> Span {
        match self {
            Processor::Fair(cores) => cores.alone(work),
            Processor::Sliced(cores) => cores.alone(work),
        }
    }
}
