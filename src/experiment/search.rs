//! Searches for the largest rate at which something holds: a pure function of the trials.

use crate::experiment::answer::Accuracy;
use crate::units::{Fraction, PerSecond};

/// The resolution of a search: its answer lies between two rates that are 1 % apart.
pub(crate) const RESOLUTION: f64 = 0.01;

/// The result of a trial at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds.
    Met,
    /// It does not.
    Missed,
    /// The noise hides whether it does.
    Unclear {
        /// Whether it would, going by the mean alone.
        met: bool,
    },
}

impl Verdict {
    /// Whether it holds, or would by the mean alone.
    pub(crate) fn leans_to_met(self) -> bool {
        matches!(self, Verdict::Met | Verdict::Unclear { met: true })
    }
}

/// A trial: its verdict and, if possible, a guess where the answer lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    /// Whether it holds.
    pub verdict: Verdict,
    /// A guess at the answer, to save trials; it need not be good.
    pub guess: Option<PerSecond>,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found {
    /// It holds at `met` and no longer at `missed`.
    Between {
        /// The largest rate tried at which it holds.
        met: PerSecond,
        /// The smallest rate tried at which it does not.
        missed: PerSecond,
        /// What limits the accuracy of the answer.
        accuracy: Accuracy,
    },
    /// It holds at the highest rate of the range.
    Everywhere,
    /// It does not hold at the lowest.
    Nowhere,
}

/// The largest rate in `low..=high` at which `meets` holds, between two rates that differ by at
/// most
/// `resolution`. `meets` should hold up to some rate and not beyond; where it changes more than
/// once, one of the changes is found. `None` where `meets` is cut short and returns `None`.
///
/// Tries `high`, then half a step to one side of the guess, so that two trials close the bracket
/// around a good guess. If the answer proves to lie further on, more than once in a row, each
/// stride is four times as long as the one before, up to the bracket's middle: so the number of
/// trials grows with the logarithm of the range, however bad the guesses. The lowest rate is tried
/// only if none above it holds.
pub(crate) fn largest(
    (low, high): (PerSecond, PerSecond),
    resolution: Fraction,
    mut meets: impl FnMut(PerSecond) -> Option<Trial>,
) -> Option<Found> {
    let step = 1.0 + resolution.get();
    let mut bracket = Bracket { met: None, missed: (high, meets(high)?), low, step, run: 0 };
    if bracket.missed.1.verdict.leans_to_met() {
        return Some(Found::Everywhere);
    }
    let mut guess = bracket.missed.1.guess;
    while !bracket.closed() {
        let rate = bracket.next(guess);
        let trial = meets(rate)?;
        guess = trial.guess.or(guess);
        bracket.take(rate, trial);
    }
    Some(bracket.found())
}

/// The state of a search: the answer is above `met` and below `missed`.
struct Bracket {
    met: Option<(PerSecond, Trial)>,
    missed: (PerSecond, Trial),
    low: PerSecond,
    /// The ratio of the ends at which the search is done.
    step: f64,
    /// How many trials in a row had the same result: above zero if met, below if missed.
    run: i32,
}

/// A ratio of the ends that exceeds the step by no more than this factor is a rounding error.
const ROUNDING: f64 = 1.0 + 1e-9;

impl Bracket {
    /// The ratio of the ends.
    fn width(&self) -> f64 {
        self.missed.0.get() / self.bottom()
    }

    fn bottom(&self) -> f64 {
        self.met.map_or(self.low, |(rate, _)| rate).get()
    }

    fn closed(&self) -> bool {
        match self.met {
            Some(_) => self.width() <= self.step * ROUNDING,
            None => self.missed.0 <= self.low,
        }
    }

    /// The next rate to try.
    fn next(&self, guess: Option<PerSecond>) -> PerSecond {
        let (bottom, top) = (self.bottom(), self.missed.0.get());
        if self.met.is_none() && self.width() <= self.step {
            return self.low;
        }
        let (middle, half) = ((bottom * top).sqrt(), self.step.sqrt());
        let upper = (top / self.stride(-self.run)).max(middle);
        let lower = (bottom * self.stride(self.run)).min(middle);
        let aim = match guess.map(PerSecond::get) {
            Some(guess) if top / guess < guess / bottom => guess / half,
            Some(guess) => guess * half,
            None => middle,
        };
        PerSecond::new(aim.clamp(lower, upper))
    }

    /// How far to go, as a factor, after `run` trials beyond which the answer still lay.
    fn stride(&self, run: i32) -> f64 {
        self.step.powf(4f64.powi((run - 2).max(0)))
    }

    fn take(&mut self, rate: PerSecond, trial: Trial) {
        if trial.verdict.leans_to_met() {
            self.met = Some((rate, trial));
            self.run = self.run.max(0) + 1;
        } else {
            self.missed = (rate, trial);
            self.run = self.run.min(0) - 1;
        }
    }

    fn found(&self) -> Found {
        let unclear = |trial: Trial| matches!(trial.verdict, Verdict::Unclear { .. });
        self.met.map_or(Found::Nowhere, |(met, trial)| Found::Between {
            met,
            missed: self.missed.0,
            accuracy: match unclear(trial) || unclear(self.missed.1) {
                true => Accuracy::Noise,
                false => Accuracy::Resolution,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches 1 to 1000 for `answer`, with `guess`. Returns what was found, in how many trials.
    fn search(answer: f64, guess: Option<f64>, noise: f64) -> (Found, usize) {
        let mut trials = 0;
        let range = (PerSecond::new(1.0), PerSecond::new(1000.0));
        let found = largest(range, Fraction::new(RESOLUTION), |rate| {
            trials += 1;
            let met = rate.get() <= answer;
            let verdict = match (rate.get() / answer).ln().abs() < noise {
                true => Verdict::Unclear { met },
                false if met => Verdict::Met,
                false => Verdict::Missed,
            };
            Some(Trial { verdict, guess: guess.map(PerSecond::new) })
        });
        (found.unwrap(), trials)
    }

    fn brackets(found: Found, answer: f64) -> bool {
        let Found::Between { met, missed, .. } = found else { return false };
        met.get() <= answer && answer < missed.get() && missed.get() / met.get() < 1.010_001
    }

    #[test]
    fn the_answer_lies_in_a_bracket_of_one_percent_however_bad_the_guess() {
        for answer in [1.0, 1.004, 3.7, 66.781_8, 250.0, 999.0] {
            for guess in [None, Some(0.1), Some(1.0), Some(66.8), Some(5000.0)] {
                let (found, trials) = search(answer, guess, 0.0);
                assert!(brackets(found, answer), "{answer} guessed as {guess:?}: {found:?}");
                assert!(trials <= 30, "{answer} guessed as {guess:?} took {trials} trials");
            }
        }
    }

    #[test]
    fn a_guess_within_half_a_step_takes_three_trials() {
        for guess in [66.5, 66.781_8, 67.0] {
            let (found, trials) = search(66.781_8, Some(guess), 0.0);
            assert!(brackets(found, 66.781_8));
            assert_eq!(trials, 3, "from {guess}");
        }
    }

    #[test]
    fn what_always_or_never_holds_is_said_to() {
        assert_eq!(search(2000.0, None, 0.0), (Found::Everywhere, 1));
        assert_eq!(search(0.5, None, 0.0).0, Found::Nowhere);
    }

    #[test]
    fn an_answer_within_the_noise_says_so() {
        let accuracy = |noise| match search(66.781_8, None, noise).0 {
            Found::Between { accuracy, .. } => accuracy,
            other => panic!("{other:?}"),
        };
        assert_eq!(accuracy(0.02), Accuracy::Noise);
        assert_eq!(accuracy(0.0), Accuracy::Resolution);
    }

    #[test]
    fn a_search_cut_short_has_no_answer() {
        let range = (PerSecond::new(1.0), PerSecond::new(2.0));
        assert_eq!(largest(range, Fraction::new(RESOLUTION), |_| None), None);
    }
}
