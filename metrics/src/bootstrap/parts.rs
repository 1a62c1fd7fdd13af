//! How much the Inception score varies, by splitting the images anew.
//!
//! The score is a mean over parts that share no image. Their scores are independent and of one
//! distribution, so the variance among them, over their number, is that of the mean, without bias
//! and for any size of the parts. Ten parts alone would tell it with 9 degrees of freedom; the mean
//! over many random splits is steady. Nothing is drawn twice: repeated images lower the score of a
//! part.

use rayon::prelude::*;

use super::{Bootstrap, stream};
use crate::error::MetricError;
use crate::families::inception_score::{self, Distributions};
use crate::metric::EvaluationInput;

/// Variance of the score of one set of fakes. None of fewer than two images.
pub(super) fn variance(
    input: &EvaluationInput<'_>,
    side: usize,
    request: Bootstrap,
) -> Result<Option<f64>, MetricError> {
    let logits = input.fake.logit_rows().ok_or(MetricError::NoLogits { metric: "is" })?;
    let options = input.settings.inception_score;
    inception_score::check(logits, options)?;
    let p = Distributions::from_logits(logits);
    let sizes: Vec<usize> = options.parts(p.len()).iter().map(|part| part.len()).collect();
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let alike = sizes.iter().filter(|size| **size + 1 >= largest).count();
    // A single part is halved.
    let (parts, size) = match alike {
        0 | 1 => (2, largest / 2),
        alike => (alike, largest - 1),
    };
    if size == 0 {
        return Ok(None);
    }
    let size = if sizes.iter().all(|s| *s == largest) && alike > 1 { largest } else { size };
    let among = |index| {
        let order = stream("is", request, 2 * index + side).permutation(p.len());
        let scores: Vec<f64> = order.chunks_exact(size).take(parts).map(|s| p.score(s)).collect();
        super::variance(&scores)
    };
    let found: Vec<f64> = (0..request.replicates).into_par_iter().map(among).collect();
    let of_part = found.iter().sum::<f64>() / found.len() as f64;
    // A part's variance falls as its size grows.
    let sum: f64 = sizes.iter().map(|s| of_part * size as f64 / *s as f64).sum();
    Ok(Some(sum / (sizes.len() as f64).powi(2)))
}
