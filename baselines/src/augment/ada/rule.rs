//! How ADA's probability moves with the signs of the discriminator's outputs on reals.

use serde::{Deserialize, Serialize};

use crate::part::InvalidPart;

/// The heuristic r_t of arXiv:2006.06676, §3.1, with the constants of NVlabs/stylegan2-ada-pytorch
/// (`training/training_loop.py`): every `interval` discriminator steps, r_t = the mean sign of
/// D(real) since the last time is held against `target`, and p moves by the images shown since over
/// `kimg` thousands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaRule {
    /// p at the start.
    pub p: f64,
    /// The mean sign of D(real) that p is steered to, in [−1, 1].
    pub target: f64,
    /// Discriminator steps between two moves of p.
    pub interval: u64,
    /// Thousands of real images in which p can go from 0 to 1.
    pub kimg: f64,
}

impl Default for AdaRule {
    fn default() -> Self {
        Self { p: 0.0, target: 0.6, interval: 4, kimg: 500.0 }
    }
}

/// What was seen since p last moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// Sum over the real images of the sign of D's output before its activation: −1, 0 or 1 each.
    pub sum_of_signs: f64,
    /// How many real images these were.
    pub real_images: u64,
}

impl AdaRule {
    /// # Errors
    /// If p cannot move by it.
    pub fn check(&self) -> Result<(), InvalidPart> {
        let right = self.kimg.is_finite() && self.kimg > 0.0 && (0.0..=1.0).contains(&self.p);
        if self.interval == 0 || !right {
            let expected = "of interval 1 or more, kimg above 0 and p from 0 to 1";
            return Err(InvalidPart::new("", expected, format!("{self:?}")));
        }
        Ok(())
    }

    /// p after `observed`. Never below 0; above 1 it is as 1, and no bound is put there, as in the
    /// official code. Unchanged where no image was seen.
    pub fn next_p(&self, p: f64, observed: Observed) -> f64 {
        if observed.real_images == 0 {
            return p;
        }
        let images = observed.real_images as f64;
        let over = observed.sum_of_signs / images - self.target;
        let direction = if over > 0.0 {
            1.0
        } else if over < 0.0 {
            -1.0
        } else {
            0.0
        };
        (p + direction * images / (self.kimg * 1e3)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(sum_of_signs: f64) -> Observed {
        Observed { sum_of_signs, real_images: 256 }
    }

    #[test]
    fn p_rises_above_the_target_and_falls_below_it() {
        let rule = AdaRule::default();
        // Four batches of 64 of 500,000 images.
        let step = 256.0 / 500_000.0;
        assert_eq!(rule.next_p(0.5, seen(256.0)), 0.5 + step);
        assert_eq!(rule.next_p(0.5, seen(154.0)), 0.5 + step); // 154/256 = 0.6016
        assert_eq!(rule.next_p(0.5, seen(153.0)), 0.5 - step); // 153/256 = 0.5977
        assert_eq!(rule.next_p(0.5, seen(-256.0)), 0.5 - step);
        let even = AdaRule { target: 0.5, ..rule };
        assert_eq!(even.next_p(0.5, seen(128.0)), 0.5);
    }

    #[test]
    fn p_stays_at_or_above_0_and_without_images_where_it_is() {
        let rule = AdaRule::default();
        assert_eq!(rule.next_p(0.0, seen(0.0)), 0.0);
        assert_eq!(rule.next_p(0.0001, seen(0.0)), 0.0);
        assert_eq!(rule.next_p(0.3, Observed { sum_of_signs: 0.0, real_images: 0 }), 0.3);
    }

    #[test]
    fn p_reaches_1_after_the_set_number_of_images() {
        let rule = AdaRule { kimg: 2.56, ..AdaRule::default() };
        let p = (0..10).fold(0.0, |p, _| rule.next_p(p, seen(256.0)));
        assert!((p - 1.0f64).abs() < 1e-12);
    }
}
