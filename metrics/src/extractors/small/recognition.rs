//! What an image shows of the world of `shapes`, and how surely that is told.
//!
//! The network names the factors of an image. They are refined by [`ShapeFactors::fit`], rendered
//! again and compared with the image: analysis by synthesis, so that a sample counts only if it
//! looks like what it was taken for.

use candle_core::Result;
use ganbench_data::images::{ImageBatch, ImageView};
use ganbench_data::shapes::{CONTINUOUS, Fit, KIND_COUNTS, ShapeFactors};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::factors::{OUTPUTS, decode};
use super::network::{CLASSES, Folded, Output, SIDE, scaled};

/// Gauss-Newton steps on each image.
const STEPS: usize = 3;

/// How well a network tells the factors of the test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactorCard {
    /// Shares of images whose shape, hue family, background and texture are named right.
    pub accuracy: [f64; KIND_COUNTS.len()],
    /// Share of images of which all four are named right.
    pub mode_accuracy: f64,
    /// Mean absolute errors of x, y, size, rotation and hue offset before they are refined, in half
    /// widths of their supports.
    pub mean_error: [f64; CONTINUOUS],
    /// The 99 % quantile of the pixel differences between the images and what the factors that the
    /// network names for them draw (root mean square, grey levels). A sample whose refined factors
    /// come up to here counts as recognised: it lies as close as the network reads real images.
    pub recognised_rmse: f64,
    /// The same after the factors were refined. A sample up to here counts as faithful: it lies as
    /// close to the data set as its own images do.
    pub faithful_rmse: f64,
    /// Of the recognised images, of each of the four factors: `[true kind][named kind]`, counts.
    pub confusion: Vec<Vec<Vec<u32>>>,
}

/// The fits of images, from what the network says of them; None without a head for factors.
pub(super) fn fits(output: &Output, images: &[ImageView<'_>]) -> Option<Vec<Fit>> {
    let factors = output.factors.as_ref()?;
    let logits = output.logits.par_chunks_exact(CLASSES);
    let rows = logits.zip(factors.par_chunks_exact(OUTPUTS)).zip(images);
    let fit = |((logits, factors), image): ((&[f32], &[f32]), &ImageView<'_>)| {
        decode(logits, factors).fit(SIDE, &colour(image), STEPS)
    };
    Some(rows.map(fit).collect())
}

/// The pixels in three channels; grey is repeated, as the network sees it.
fn colour<'a>(image: &ImageView<'a>) -> std::borrow::Cow<'a, [u8]> {
    match image.size.channels {
        1 => image.pixels.iter().flat_map(|&v| [v; 3]).collect(),
        _ => image.pixels.into(),
    }
}

/// Measures a network on images of which the truth is known.
pub(super) fn assess(
    network: &Folded,
    images: &ImageBatch,
    truth: &[ShapeFactors],
) -> Result<FactorCard> {
    const PORTION: usize = 100;
    let (mut named, mut fitted, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..images.len()).step_by(PORTION) {
        let rows = first..(first + PORTION).min(images.len());
        let views = images.views(rows);
        let output = network.forward(scaled(&views))?;
        let factors = output.factors.iter().flat_map(|rows| rows.chunks_exact(OUTPUTS));
        let logits = output.logits.chunks_exact(CLASSES);
        for ((logits, factors), image) in logits.zip(factors).zip(&views) {
            let factors = decode(logits, factors);
            read.push(factors.fit(SIDE, &colour(image), 0).rmse);
            named.push(factors);
        }
        fitted.extend(fits(&output, &views).unwrap_or_default());
    }
    let n = truth.len() as f64;
    let pairs = || named.iter().zip(truth);
    let right = |i: usize| pairs().filter(|(a, b)| a.kinds()[i] == b.kinds()[i]).count() as f64 / n;
    let error =
        |i: usize| pairs().map(|(a, b)| (a.places()[i] - b.places()[i]).abs()).sum::<f64>() / n;
    let recognised_rmse = quantile_99(read);
    let faithful_rmse = quantile_99(fitted.iter().map(|fit| fit.rmse).collect());
    let mut confusion: Vec<_> = KIND_COUNTS.map(|count| vec![vec![0; count]; count]).into();
    for (fit, truth) in fitted.iter().zip(truth) {
        if f64::from(fit.rmse) <= recognised_rmse {
            let kinds = truth.kinds().into_iter().zip(fit.factors.kinds());
            for (table, (own, named)) in confusion.iter_mut().zip(kinds) {
                table[own][named] += 1;
            }
        }
    }
    Ok(FactorCard {
        accuracy: std::array::from_fn(right),
        mode_accuracy: pairs().filter(|(a, b)| a.mode() == b.mode()).count() as f64 / n,
        mean_error: std::array::from_fn(error),
        recognised_rmse,
        faithful_rmse,
        confusion,
    })
}

fn quantile_99(mut values: Vec<f32>) -> f64 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() * 99 / 100).copied().map_or(f64::NAN, f64::from)
}
