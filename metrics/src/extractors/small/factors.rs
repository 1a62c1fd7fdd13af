//! The head that tells the factors of `shapes` beside the shape itself.
//!
//! Its outputs are the logits of hue family, background and texture, then the five continuous
//! factors: x, y, size, rotation and the hue's offset from its family, each as its place within its
//! support, −1 to 1.

use candle_core::{D, Device, Result, Tensor};
use ganbench_data::images::Factors;
use ganbench_data::shapes::{
    BACKGROUNDS, CONTINUOUS, FACTORS, HUES, Kinds, SHAPES, ShapeFactors, TEXTURES,
};

use super::loss::cross_entropy;

/// Kinds of the factors that this head tells apart, in the order of its logits.
const KINDS: [usize; 3] = [HUES.len(), BACKGROUNDS.len(), TEXTURES.len()];
/// Number of logits.
const LOGITS: usize = KINDS[0] + KINDS[1] + KINDS[2];
/// Width of the head.
pub(super) const OUTPUTS: usize = LOGITS + CONTINUOUS;

/// The factors of each image; None where the images do not hold those of `shapes`.
pub(super) fn factors_of(factors: Option<&Factors>) -> Option<Vec<ShapeFactors>> {
    let factors = factors.filter(|factors| factors.names == FACTORS)?;
    let (rows, _) = factors.values.as_chunks::<{ FACTORS.len() }>();
    Some(rows.iter().map(ShapeFactors::from_values).collect())
}

/// The sum of the mean cross-entropies of hue, background and texture and the mean squared errors
/// of the continuous factors.
///
/// `outputs`: f32 `[n, OUTPUTS]`. Returns a scalar ≥ 0.
///
/// # Errors
/// If there are not as many rows as factors.
pub(super) fn loss(outputs: &Tensor, truth: &[ShapeFactors]) -> Result<Tensor> {
    let (n, device) = (truth.len(), Device::Cpu);
    let kinds: Vec<Kinds> = truth.iter().map(ShapeFactors::kinds).collect();
    let mut sum = Tensor::zeros((), outputs.dtype(), &device)?;
    let mut first = 0;
    for (factor, count) in KINDS.into_iter().enumerate() {
        let labels: Vec<u32> = kinds.iter().map(|kinds| kinds[factor + 1] as u32).collect();
        let logits = outputs.narrow(D::Minus1, first, count)?.contiguous()?;
        sum = (sum + cross_entropy(&logits, &Tensor::from_vec(labels, n, &device)?)?)?;
        first += count;
    }
    let places: Vec<f64> = truth.iter().flat_map(ShapeFactors::places).collect();
    let places = Tensor::from_vec(places, (n, CONTINUOUS), &device)?.to_dtype(outputs.dtype())?;
    let errors = (outputs.narrow(D::Minus1, LOGITS, CONTINUOUS)? - places)?.sqr()?;
    sum + (errors.mean_all()? * CONTINUOUS as f64)?
}

/// The factors that the largest logits and the regressions name, one image's outputs each.
pub(super) fn decode(shape_logits: &[f32], outputs: &[f32]) -> ShapeFactors {
    let mut kinds: Kinds = [largest(shape_logits), 0, 0, 0];
    let mut logits = &outputs[..LOGITS];
    for (kind, count) in kinds[1..].iter_mut().zip(KINDS) {
        let (own, rest) = logits.split_at(count);
        *kind = largest(own);
        logits = rest;
    }
    debug_assert_eq!(shape_logits.len(), SHAPES.len());
    let places = std::array::from_fn(|i| f64::from(outputs[LOGITS + i]));
    ShapeFactors::from_kinds(kinds, places)
}

/// The index of the largest value, the first of equal ones.
pub(super) fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::rng::Stream;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn drawn(n: usize) -> Vec<ShapeFactors> {
        let mut stream = Stream::new(0, "test");
        (0..n).map(|_| ShapeFactors::draw(&mut stream)).collect()
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let truth = drawn(4);
        check(&[normal(1, &[4, OUTPUTS])], |v| loss(&v[0], &truth));
    }

    #[test]
    fn sure_and_right_outputs_cost_nothing_and_are_decoded_to_the_truth() {
        for truth in drawn(20) {
            let kinds = truth.kinds();
            let mut shape = [0.0; SHAPES.len()];
            shape[kinds[0]] = 50.0;
            let mut outputs = [0.0; OUTPUTS];
            let mut first = 0;
            for (kind, count) in kinds[1..].iter().zip(KINDS) {
                outputs[first + kind] = 50.0;
                first += count;
            }
            for (output, place) in outputs[LOGITS..].iter_mut().zip(truth.places()) {
                *output = place as f32;
            }
            let found = decode(&shape, &outputs);
            assert_eq!(found.mode(), truth.mode());
            for (a, b) in found.places().iter().zip(truth.places()) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
            let tensor = Tensor::from_slice(&outputs, (1, OUTPUTS), &Device::Cpu).unwrap();
            let cost = loss(&tensor, &[truth]).unwrap().to_scalar::<f32>().unwrap();
            assert!(cost < 1e-6, "{cost}");
        }
    }
}
