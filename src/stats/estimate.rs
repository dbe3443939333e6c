//! A mean over replications, with its confidence interval.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The confidence of every interval the program prints.
pub const CONFIDENCE: f64 = 0.95;

/// A mean over independent replications. Requests within a run depend on each other, so the
/// replication, not the request, is the unit of uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean of the replications' values.
    pub mean: f64,
    /// Its standard error; `None` for a single replication.
    pub standard_error: Option<f64>,
    /// How many replications it rests on, at least one.
    pub replications: u32,
}

impl Estimate {
    /// The mean of `values`, one per replication; `None` without values.
    pub fn of(values: &[f64]) -> Option<Estimate> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt());
        let replications = u32::try_from(values.len()).expect("fewer than 2^32 replications");
        (!values.is_empty()).then_some(Estimate { mean, standard_error, replications })
    }

    /// The estimate `centre` that all replications give together, with the standard error of their
    /// values around it: √(Σ (value - centre)² / (n (n - 1))), as in sectioning.
    pub fn moved_to(self, centre: f64) -> Estimate {
        let n = f64::from(self.replications);
        let beyond = (self.mean - centre).powi(2) / (n - 1.0);
        let standard_error = self.standard_error.map(|error| (error * error + beyond).sqrt());
        Estimate { mean: centre, standard_error, ..self }
    }

    /// This mean without a standard error, and so without an interval.
    pub fn without_error(self) -> Estimate {
        Estimate { standard_error: None, ..self }
    }

    /// Half the width of the 95 % interval, by Student's t over the replications; `None` for a
    /// single replication.
    pub fn half_width(&self) -> Option<f64> {
        self.standard_error.map(|error| error * t_quantile(self.replications - 1))
    }

    /// The 95 % interval; `None` for a single replication.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half_width().map(|half| (self.mean - half, self.mean + half))
    }

    /// Half the interval's width as a share of the mean; `None` for a single replication, or
    /// where the mean is zero.
    pub fn relative_half_width(&self) -> Option<f64> {
        self.half_width().filter(|_| self.mean != 0.0).map(|half| half / self.mean.abs())
    }
}

/// How many standard errors the 95 % interval reaches to either side, with so many degrees of
/// freedom (at least one).
fn t_quantile(degrees_of_freedom: u32) -> f64 {
    let student = StudentsT::new(0.0, 1.0, f64::from(degrees_of_freedom))
        .expect("one degree of freedom or more");
    student.inverse_cdf((1.0 + CONFIDENCE) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_textbook_one() {
        // Mean 5, sample variance 10/3, t(0.975, 3) = 3.182446.
        let estimate = Estimate::of(&[3.0, 4.0, 6.0, 7.0]).unwrap();
        let half = 3.182_446_305 * (10.0f64 / 3.0 / 4.0).sqrt();
        assert!((estimate.mean - 5.0).abs() < 1e-12);
        assert!((estimate.half_width().unwrap() - half).abs() < 1e-6);
    }

    /// Around 7 the values 3, 4, 6 and 7 are 4, 3, 1 and 0 away: √(26 / 12).
    #[test]
    fn around_another_centre_the_values_vary_by_their_distance_from_it() {
        let moved = Estimate::of(&[3.0, 4.0, 6.0, 7.0]).unwrap().moved_to(7.0);
        assert!((moved.mean - 7.0).abs() < 1e-12 && moved.replications == 4);
        assert!((moved.standard_error.unwrap() - (26.0f64 / 12.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[3.0]).unwrap().moved_to(7.0).standard_error, None);
        assert_eq!(moved.without_error().interval(), None);
    }

    #[test]
    fn one_replication_has_no_interval_and_none_no_mean() {
        assert_eq!(Estimate::of(&[2.0]).unwrap().half_width(), None);
        assert_eq!(Estimate::of(&[]), None);
    }
}
