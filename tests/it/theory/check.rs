//! The one checker.

use rayon::prelude::*;
use tonnage::model;
use tonnage::seed::Seed;
use tonnage::site::Site;
use tonnage::stats::estimate::Estimate;
use tonnage::units::{PerSecond, Span};

use super::table::{Row, measure};

/// Rows of the table, and a run that has something to say on each of them.
pub(crate) struct Theorem {
    /// The rows.
    pub(crate) rows: Vec<Row>,
    run: Box<dyn Fn(Seed) -> Vec<f64> + Sync>,
}

/// Replications to begin with, and how many more at a time while intervals are too wide.
const FIRST: u32 = 32;
const MORE: u32 = 16;
/// At most so many replications are spent on a narrow interval.
const MOST: u32 = 1_024;
/// How far from the value the mean may lie, in standard errors.
const STANDARD_ERRORS: f64 = 4.0;

impl Theorem {
    /// `rows` hold on `site`.
    pub(crate) fn of(rows: Vec<Row>, site: Site) -> Theorem {
        let metrics: Vec<String> = rows.iter().map(|row| row.metric.clone()).collect();
        Theorem::by(rows, move |seed| {
            let outcome = model::simulate(&site, seed);
            assert_eq!(outcome.stopped, None, "the run is to reach its horizon");
            metrics.iter().map(|metric| measure(metric, &site, &outcome)).collect()
        })
    }

    /// `rows` hold of the values, one per row, that `run` finds with a seed.
    pub(crate) fn by(rows: Vec<Row>, run: impl Fn(Seed) -> Vec<f64> + Sync + 'static) -> Theorem {
        Theorem { rows, run: Box::new(run) }
    }

    /// Runs until every interval is narrow enough, and fails where a value is not in it.
    pub(crate) fn check(&self) {
        let root = Seed::new(1);
        let mut values: Vec<Vec<f64>> = Vec::new();
        let mut replications = FIRST;
        loop {
            let indices = values.len() as u32..replications;
            let more = indices.into_par_iter().map(|index| (self.run)(root.replication(index)));
            values.par_extend(more);
            if self.rows.iter().enumerate().all(|(at, row)| is_narrow(row, &column(&values, at))) {
                break;
            }
            replications += MORE;
            assert!(replications <= MOST, "too wide: {:?}", self.judgements(&values));
        }
        let wrong: Vec<String> = self.judgements(&values).into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// What is wrong with each row, if anything is.
    fn judgements(&self, values: &[Vec<f64>]) -> Vec<Option<String>> {
        let rows = self.rows.iter().enumerate();
        rows.map(|(at, row)| complaint(row, &column(values, at))).collect()
    }
}

fn column(values: &[Vec<f64>], at: usize) -> Vec<f64> {
    values.iter().map(|each| each[at]).collect()
}

fn is_narrow(row: &Row, values: &[f64]) -> bool {
    let half_width = Estimate::of(values).unwrap().half_width().unwrap();
    row.is_exact() || half_width < row.tolerance() * row.expected
}

/// Why `values` do not bear the row out, if they do not.
#[allow(clippy::float_cmp)]
fn complaint(row: &Row, values: &[f64]) -> Option<String> {
    let Estimate { mean, standard_error, replications } = Estimate::of(values)?;
    let error = standard_error?;
    let fits = match row.is_exact() {
        // What theory calls 1e-95 never happens.
        true => values.iter().all(|value| *value == row.expected.floor()),
        false => (mean - row.expected).abs() <= STANDARD_ERRORS * error,
    };
    let distance = (mean - row.expected) / error;
    let complaint = format!(
        "{}: {} is {}, found {mean} with standard error {error} ({distance:.1} of them away) \
         in {replications} replications",
        row.id, row.metric, row.expected
    );
    (!fits || !is_narrow(row, values)).then_some(complaint)
}

/// `site` at `rate` requests a second where it could serve `capacity` of them, each there for
/// `stay` seconds when alone: long enough, in relaxation times of such a queue, to forget how it
/// began and for some dozens of replications to be precise.
pub(crate) fn lasting(mut site: Site, rate: f64, capacity: f64, stay: f64) -> Site {
    let relaxation = 1.0 / (capacity * (1.0 - (rate / capacity).sqrt()).powi(2)) + stay;
    let measured = (1_000.0 * relaxation).max(20_000.0 / rate);
    site.traffic.rate = PerSecond::new(rate);
    site.horizon.warmup = Span::from_secs(20.0 * relaxation);
    site.horizon.measured = Span::from_secs(measured);
    site
}
