//! ADA's probability in the course of a run.

use candle_core::{Result, Tensor};

use crate::augment::{AdaRule, Observed};

/// p, and what was seen since it last moved.
pub(super) struct Adaptive {
    rule: AdaRule,
    p: f64,
    seen: Observed,
}

const NOTHING: Observed = Observed { sum_of_signs: 0.0, real_images: 0 };

impl Adaptive {
    pub fn new(rule: AdaRule) -> Self {
        Self { rule, p: rule.p, seen: NOTHING }
    }

    pub fn p(&self) -> f64 {
        self.p
    }

    /// Takes in D's outputs `[n]` on the reals of a step; `d_steps` counts that step.
    ///
    /// # Errors
    /// If a device cannot be read.
    pub fn observe(&mut self, outputs_real: &Tensor, d_steps: u64) -> Result<()> {
        for output in outputs_real.to_vec1::<f32>()? {
            // Unlike `signum`, which has none of its own for 0.
            let sign = f64::from(u8::from(output > 0.0)) - f64::from(u8::from(output < 0.0));
            self.seen.sum_of_signs += sign;
            self.seen.real_images += 1;
        }
        if d_steps.is_multiple_of(self.rule.interval) {
            self.p = self.rule.next_p(self.p, std::mem::replace(&mut self.seen, NOTHING));
        }
        Ok(())
    }

    /// All of it by name, for the run's state.
    pub fn memory(&self) -> [(&'static str, f64); 3] {
        let seen = self.seen;
        [
            ("ada_p", self.p),
            ("ada_signs", seen.sum_of_signs),
            ("ada_images", seen.real_images as f64),
        ]
    }

    /// Takes back one value of [`Self::memory`].
    pub fn remember(&mut self, name: &str, value: f64) {
        match name {
            "ada_p" => self.p = value,
            "ada_signs" => self.seen.sum_of_signs = value,
            "ada_images" => self.seen.real_images = value as u64,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn p_moves_at_each_interval_by_what_was_seen_since_and_goes_on_from_its_memory() {
        let rule = AdaRule { p: 0.5, target: 0.6, interval: 2, kimg: 0.1 };
        let mut ada = Adaptive::new(rule);
        let outputs = Tensor::new(&[1f32, 2.0, 3.0, 0.0], &Device::Cpu).unwrap();
        ada.observe(&outputs, 1).unwrap();
        assert_eq!(ada.p(), 0.5);
        let mut again = Adaptive::new(rule);
        ada.memory().into_iter().for_each(|(name, value)| again.remember(name, value));
        for ada in [&mut ada, &mut again] {
            // Signs 6 of 8 images, above the target: up by 8 of 100 images.
            ada.observe(&outputs, 2).unwrap();
            assert_eq!(ada.p(), 0.58);
            // −4 of 4.
            ada.observe(&outputs.neg().unwrap().minimum(-1.0f32).unwrap(), 4).unwrap();
            assert!((ada.p() - 0.54).abs() < 1e-12);
        }
    }
}
