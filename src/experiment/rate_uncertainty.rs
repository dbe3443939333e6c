//! How well the samples around a rate tell that it is the one that was looked for.

use crate::experiment::finding::Sample;
use crate::experiment::lab::Lab;
use crate::experiment::search::RESOLUTION;
use crate::experiment::summary::Summary;
use crate::units::PerSecond;

/// Of two rates no further apart than this, as a share, it is all the same which is told: two steps
/// of the resolution.
pub(crate) const RATE_TOLERANCE: f64 = 2.0 * RESOLUTION;

/// A rate no further than this from the answer, as a share, is explored to the end, to be built on.
pub(crate) const NEARBY: f64 = 0.05;

/// How fast errors grow is told from rates no further from the answer than this, as a share.
const FIT_RANGE: f64 = 0.40;

/// Whether the samples near `rate` tell to within [`RATE_TOLERANCE`] that there as many fail as are allowed, the
/// share `most`.
pub(crate) fn errors_locate_rate(lab: &Lab, rate: PerSecond, most: f64) -> bool {
    let half = smallest_nearby(lab, rate, |it| it.mean(Summary::error_rate).half_width());
    half <= RATE_TOLERANCE * error_elasticity(lab, rate) * most
}

/// The least that the samples near `rate` have of something.
pub(crate) fn smallest_nearby(
    lab: &Lab,
    rate: PerSecond,
    of: impl Fn(&Sample) -> Option<f64>,
) -> f64 {
    let near = |it: &&Sample| it.site.traffic.rate.log_distance(rate) <= NEARBY && !it.is_paired();
    lab.samples().filter(near).filter_map(of).fold(f64::INFINITY, f64::min)
}

/// By how many per cent errors grow for each per cent of rate around `rate`, about: the slope of the
/// line fitted to their logarithms, where each failure counts the same. At least 1: the least that
/// there is to know.
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
    // Where there is no line, this is no number.
    ((xy - x * y) / (xx - x * x)).max(1.0)
}
