//! How good a discriminator's features are: the accuracy of a linear classifier on them, the
//! features frozen.
//!
//! Jeong and Shin 2021 (ContraD, arXiv:2103.09742), Table 3; schedule `gan-recipes.md` §1.1
//! (`test_lineval.py`): SGD at 0.1, 100 epochs, a tenth of the rate from epochs 60, 75 and 90 on,
//! batches of 256, random resized crops and flips. Plain SGD (the reference names no momentum), the
//! last epoch's classifier.

use candle_core::{D, DType, Device, Result, Tensor};
use ganbench_data::images::ImageBatch;
use ganbench_data::rng::Stream;
use serde::{Deserialize, Serialize};

use crate::augment::{Augmentation, SimClr};
use crate::train::to_tensor;

/// The schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearEvaluation {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of a step.
    pub batch: usize,
    /// Learning rate of plain SGD at the start.
    pub lr: f64,
    /// From each of these epochs on the rate is a tenth of what it was.
    pub lr_drops: Vec<usize>,
    /// 0: every epoch draws its own views, as published. Else the features of so many epochs are
    /// computed once and taken in turn: cheaper, and another number.
    pub cached_epochs: usize,
}

impl Default for LinearEvaluation {
    fn default() -> Self {
        Self { epochs: 100, batch: 256, lr: 0.1, lr_drops: vec![60, 75, 90], cached_epochs: 0 }
    }
}

/// Labelled images to learn from and to be tested on.
#[derive(Clone, Copy)]
pub struct LabelledSplits<'a> {
    /// The images that the classifier learns from.
    pub train: &'a ImageBatch,
    /// The images that the accuracy is of.
    pub test: &'a ImageBatch,
}

/// Images done of all that will go through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeaturesDone {
    /// Images that went through the network.
    pub done: usize,
    /// Images that will have gone through it at the end.
    pub total: usize,
}

struct Classifier {
    /// `[d, classes]`.
    weight: Tensor,
    /// `[classes]`.
    bias: Tensor,
}

impl Classifier {
    /// U(−1/√d, 1/√d), PyTorch's.
    fn new(d: usize, classes: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut stream = Stream::new(seed, "linear-evaluation/weights");
        let bound = 1.0 / (d as f64).sqrt();
        let mut draw = |n| stream.uniforms(n, -bound, bound);
        Ok(Self {
            weight: Tensor::from_vec(draw(d * classes), (d, classes), device)?,
            bias: Tensor::from_vec(draw(classes), classes, device)?,
        })
    }

    fn logits(&self, features: &Tensor) -> Result<Tensor> {
        features.matmul(&self.weight)?.broadcast_add(&self.bias)
    }

    /// One step down the gradient of the mean cross-entropy, which is (softmax − one-hot)/n at the
    /// logits.
    fn step(&mut self, features: &Tensor, one_hot: &Tensor, lr: f64) -> Result<()> {
        let logits = self.logits(features)?;
        let exp = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
        let softmax = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
        let scale = lr / features.dim(0)? as f64;
        let delta = ((softmax - one_hot)? * scale)?;
        self.weight = (&self.weight - features.t()?.matmul(&delta)?)?;
        self.bias = (&self.bias - delta.sum(0)?)?;
        Ok(())
    }
}

impl LinearEvaluation {
    /// What the results call the number: each schedule of views is a metric of its own.
    pub fn metric(&self) -> String {
        match self.cached_epochs {
            0 => "linear_accuracy_percent".into(),
            k => format!("linear_accuracy_cached{k}_percent"),
        }
    }

    fn lr_of(&self, epoch: usize) -> f64 {
        let drops = self.lr_drops.iter().filter(|&&at| epoch >= at).count();
        self.lr / 10f64.powi(drops as i32)
    }

    /// The percentage of test images that a linear classifier on `features` gets right. `features`
    /// maps f32 images `[n, channels, h, w]` in [−1, 1] to f32 `[n, d]`; random numbers come from
    /// `seed`.
    ///
    /// # Errors
    /// If a split has no labels or no images, or a value is not finite.
    pub fn accuracy_percent(
        &self,
        splits: LabelledSplits<'_>,
        seed: u64,
        device: &Device,
        features: &dyn Fn(&Tensor) -> Result<Tensor>,
        progress: &mut dyn FnMut(FeaturesDone),
    ) -> Result<f64> {
        let labels = |images: &ImageBatch, split: &str| match &images.labels {
            Some(labels) if !labels.is_empty() => Ok(labels.clone()),
            _ => {
                candle_core::bail!("linear evaluation needs labels, and the {split} split has none")
            }
        };
        let train_labels = labels(splits.train, "train")?;
        let test_labels = labels(splits.test, "test")?;
        let classes = train_labels.iter().chain(&test_labels).max().map_or(1, |&c| c as usize + 1);
        let n = splits.train.len();
        let passes = if self.cached_epochs == 0 { self.epochs } else { self.cached_epochs };
        let total = passes.min(self.epochs) * n + splits.test.len();
        let mut done = 0;
        let mut tell = |more: usize| {
            done += more;
            progress(FeaturesDone { done, total });
        };

        let crop_and_flip =
            Augmentation::SimClr(SimClr { jitter_p: 0.0, grey_p: 0.0, ..SimClr::default() });
        let mut views = Stream::new(seed, "linear-evaluation/views");
        let mut view_features = |rows: &[usize]| -> Result<Tensor> {
            let x = to_tensor(&splits.train.select(rows), device)?;
            tell(rows.len());
            features(&crop_and_flip.apply(&x, &mut views)?)
        };
        let in_order: Vec<usize> = (0..n).collect();
        let mut cached: Vec<Tensor> = Vec::new();
        let mut classifier: Option<Classifier> = None;
        for epoch in 0..self.epochs {
            if self.cached_epochs > 0 && cached.len() < self.cached_epochs {
                // Half precision: these are kept for all images of several epochs.
                let of = |rows: &[usize]| view_features(rows)?.to_dtype(DType::F16);
                let epoch: Result<Vec<Tensor>> = in_order.chunks(self.batch).map(of).collect();
                cached.push(Tensor::cat(&epoch?, 0)?);
            }
            let purpose = format!("linear-evaluation/epoch-{epoch}");
            let order = Stream::new(seed, &purpose).permutation(n);
            for rows in order.chunks(self.batch) {
                let x = match cached.get(epoch % self.cached_epochs.max(1)) {
                    None => view_features(rows)?,
                    Some(kept) => {
                        let at: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
                        let at = Tensor::from_vec(at, rows.len(), device)?;
                        kept.index_select(&at, 0)?.to_dtype(DType::F32)?
                    }
                };
                let mut one_hot = vec![0f32; rows.len() * classes];
                for (i, &row) in rows.iter().enumerate() {
                    one_hot[i * classes + train_labels[row] as usize] = 1.0;
                }
                let one_hot = Tensor::from_vec(one_hot, (rows.len(), classes), device)?;
                let classifier = match &mut classifier {
                    Some(classifier) => classifier,
                    none => none.insert(Classifier::new(x.dim(1)?, classes, seed, device)?),
                };
                classifier.step(&x, &one_hot, self.lr_of(epoch))?;
            }
        }
        let Some(classifier) = classifier else {
            candle_core::bail!(
                "linear evaluation needs images and epochs, got {n} and {}",
                self.epochs
            )
        };
        drop(cached);
        let rows: Vec<usize> = (0..splits.test.len()).collect();
        let mut right = 0;
        for rows in rows.chunks(self.batch) {
            let x = to_tensor(&splits.test.select(rows), device)?;
            let logits = classifier.logits(&features(&x)?)?.to_vec2::<f32>()?;
            tell(rows.len());
            for (logits, &row) in logits.iter().zip(rows) {
                if let Some(value) = logits.iter().find(|v| !v.is_finite()) {
                    candle_core::bail!("linear evaluation met the logit {value}; lower its lr")
                }
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                right +=
                    usize::from(best.is_some_and(|(class, _)| class == test_labels[row] as usize));
            }
        }
        Ok(100.0 * right as f64 / rows.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::images::ImageSize;

    /// Grey images whose class is their lightness.
    fn images(n: usize, labelled: bool) -> ImageBatch {
        let size = ImageSize::new(8, 8, 3);
        let pixels = (0..n).flat_map(|i| vec![20 + 100 * (i % 3) as u8; 8 * 8 * 3]).collect();
        let labels = labelled.then(|| (0..n as u32).map(|i| i % 3).collect());
        ImageBatch::new(size, pixels, labels, None).unwrap()
    }

    fn accuracy(
        plan: &LinearEvaluation,
        features: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<(f64, usize)> {
        let (train, test) = (images(60, true), images(30, true));
        let splits = LabelledSplits { train: &train, test: &test };
        let mut seen = FeaturesDone { done: 0, total: 1 };
        let percent =
            plan.accuracy_percent(splits, 0, &Device::Cpu, features, &mut |done| seen = done)?;
        assert_eq!(seen.done, seen.total);
        Ok((percent, seen.total))
    }

    fn short(cached_epochs: usize) -> LinearEvaluation {
        let (epochs, batch, lr_drops) = (40, 16, vec![30, 35]);
        LinearEvaluation { epochs, batch, lr: 1.0, lr_drops, cached_epochs }
    }

    /// Powers of the lightness: three groups that a linear classifier can tell apart.
    fn powers(x: &Tensor) -> Result<Tensor> {
        let mean = x.flatten_from(1)?.mean_keepdim(1)?;
        Tensor::cat(&[&mean, &mean.sqr()?], 1)? * 3.0
    }

    #[test]
    fn features_that_hold_the_class_are_read_and_those_that_do_not_are_not() {
        assert_eq!(accuracy(&short(0), &powers).unwrap().0, 100.0);
        let none = |x: &Tensor| Tensor::zeros((x.dim(0)?, 2), DType::F32, &Device::Cpu);
        assert!(accuracy(&short(0), &none).unwrap().0 < 34.0);
    }

    #[test]
    fn cached_epochs_need_fewer_passes_and_have_a_name_of_their_own() {
        let (percent, passes) = accuracy(&short(2), &powers).unwrap();
        assert_eq!((percent, passes), (100.0, 2 * 60 + 30));
        assert_eq!(accuracy(&short(0), &powers).unwrap().1, 40 * 60 + 30);
        assert_eq!(short(0).metric(), "linear_accuracy_percent");
        assert_eq!(short(2).metric(), "linear_accuracy_cached2_percent");
    }

    #[test]
    fn the_rate_drops_by_a_tenth_at_each_of_its_epochs() {
        let plan = LinearEvaluation::default();
        let rates = [0, 59, 60, 75, 99].map(|epoch| plan.lr_of(epoch));
        let expected = [0.1, 0.1, 0.01, 0.001, 0.0001];
        assert!(rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{rates:?}");
    }

    #[test]
    fn a_step_is_down_the_gradient_of_the_mean_cross_entropy() {
        let x = Tensor::new(&[[1f32, 2.0], [0.5, -1.0]], &Device::Cpu).unwrap();
        let one_hot = Tensor::new(&[[1f32, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
        let loss = |c: &Classifier| -> f64 {
            let p = c.logits(&x).unwrap().to_vec2::<f32>().unwrap();
            let of = |row: &[f32], class: usize| {
                f64::from(row.iter().map(|v| v.exp()).sum::<f32>().ln() - row[class])
            };
            (of(&p[0], 0) + of(&p[1], 1)) / 2.0
        };
        let mut c = Classifier::new(2, 2, 0, &Device::Cpu).unwrap();
        let (before, old) = (loss(&c), c.weight.to_vec2::<f32>().unwrap());
        c.step(&x, &one_hot, 1e-3).unwrap();
        // The loss falls by lr·‖∇‖², and the step is lr·∇.
        let moved = |a: &[Vec<f32>], b: &[Vec<f32>]| -> f64 {
            a.concat().iter().zip(b.concat()).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let steps = moved(&old, &c.weight.to_vec2::<f32>().unwrap());
        let bias: Vec<f32> = c.bias.to_vec1().unwrap();
        let old_bias: Vec<f32> =
            Classifier::new(2, 2, 0, &Device::Cpu).unwrap().bias.to_vec1().unwrap();
        let bias_steps: f64 =
            bias.iter().zip(old_bias).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let expected = (steps + bias_steps) / 1e-3;
        assert!(((before - loss(&c)) / expected - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_split_without_labels_is_refused() {
        let (train, test) = (images(6, true), images(6, false));
        let splits = LabelledSplits { train: &train, test: &test };
        let plan = short(0);
        let error = plan.accuracy_percent(splits, 0, &Device::Cpu, &powers, &mut |_| {});
        let error = error.unwrap_err().to_string();
        assert!(error.contains("needs labels, and the test split has none"), "{error}");
    }
}
