//! How precisely the samples near a rate locate the one that was searched for, and which rates
//! count as near. Distances are [`PerSecond::log_distance`]s.

use crate::experiment::lab::Lab;
use crate::experiment::sample::Sample;
use crate::experiment::search::RESOLUTION;
use crate::experiment::summary::Summary;
use crate::units::PerSecond;

/// Rates this close count as one answer: two steps of the resolution.
pub(crate) const RATE_TOLERANCE: f64 = 2.0 * RESOLUTION;

/// The load line is interpolated once it lies this close to a rate that was simulated.
pub(crate) const INTERPOLATION_RANGE: f64 = 0.01;

/// At rates this close, requests wait for about the same, and a sample this close to the answer is
/// precise enough to build on.
pub(crate) const NEARBY: f64 = 0.05;

/// Rates this close are judged beside each other, by the same requests.
pub(crate) const PAIRING_RANGE: f64 = 0.10;

/// The elasticity of errors is fitted to rates this close to the answer.
const FIT_RANGE: f64 = 0.40;

/// Whether the samples near `rate`, where the share `most` of the requests fails, locate that rate
/// to within [`RATE_TOLERANCE`].
pub(crate) fn errors_locate_rate(lab: &Lab, rate: PerSecond, most: f64) -> bool {
    let half = smallest_nearby(lab, rate, |it| it.mean(Summary::error_rate).half_width());
    half <= RATE_TOLERANCE * error_elasticity(lab, rate) * most
}

/// The smallest value of `of` among the samples near `rate`; infinite without one.
pub(crate) fn smallest_nearby(
    lab: &Lab,
    rate: PerSecond,
    of: impl Fn(&Sample) -> Option<f64>,
) -> f64 {
    let near = |it: &&Sample| it.site.traffic.rate.log_distance(rate) <= NEARBY && !it.is_paired();
    lab.samples().filter(near).filter_map(of).fold(f64::INFINITY, f64::min)
}

/// The elasticity of errors around `rate`, at least 1: by how many per cent they grow for each per
/// cent of rate. The slope of the least-squares line through (ln rate, ln errors), weighted by the
/// number of failures.
fn error_elasticity(lab: &Lab, rate: PerSecond) -> f64 {
    let (mut all, mut sums) = (0.0, [0.0; 4]);
    for sample in lab.samples() {
        let at = sample.site.traffic.rate;
        let (errors, x) = (sample.mean(Summary::error_rate).mean, (at.get() / rate.get()).ln());
        if errors > 0.0 && x.abs() <= FIT_RANGE && !sample.is_paired() {
            let (y, weight) = (errors.ln(), errors * sample.arrived() as f64);
            all += weight;
            let products = [x, y, x * x, x * y];
            sums.iter_mut().zip(products).for_each(|(sum, it)| *sum += weight * it);
        }
    }
    let [x, y, xx, xy] = sums.map(|sum| sum / all);
    // NaN where the points fix no line; `max` makes it 1.
    ((xy - x * y) / (xx - x * x)).max(1.0)
}
