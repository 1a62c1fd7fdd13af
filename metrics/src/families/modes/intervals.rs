//! Variances of the metrics of known truth, by half-samples.
//!
//! A half of the samples, drawn without replacement, varies around the whole as much as the whole
//! around its expectation (the delete-half jackknife: Shao and Wu 1989). A bootstrap would draw
//! samples twice, which entropies and counts of modes take for less variety.

use rayon::prelude::*;

use super::{FAMILY, METRICS, recognitions, scores};
use crate::bootstrap::{Bootstrap, Sides, stream, variance};
use crate::error::MetricError;

/// In the order of the family; None of fewer than two samples. The sides are independent.
pub(super) fn variances(
    sides: &Sides<'_>,
    request: Bootstrap,
) -> Result<Vec<Option<f64>>, MetricError> {
    let mut sums = [0.0; METRICS];
    for (side, input) in sides.inputs().enumerate() {
        let samples = recognitions(input)?;
        if samples.len() < 2 {
            return Ok(vec![None; METRICS]);
        }
        let replicate = |index: usize| {
            let mut stream = stream(FAMILY.name, request, 2 * index + side);
            let order = stream.permutation(samples.len());
            scores(order[..samples.len() / 2].iter().map(|&row| &samples[row]))
        };
        let each: Vec<[f64; METRICS]> =
            (0..request.replicates).into_par_iter().map(replicate).collect();
        for (metric, sum) in sums.iter_mut().enumerate() {
            *sum += variance(&each.iter().map(|scores| scores[metric]).collect::<Vec<_>>());
        }
    }
    Ok(sums.map(Some).into())
}
