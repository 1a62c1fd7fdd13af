//! Floating-point operations of a training step, two a multiply-add.
//!
//! Counted are the convolutions and linear layers, by their definition and whatever the algorithm
//! (Winograd's does fewer): the way forward, the gradient of the weight where the step computes
//! one, and the gradient of the input where it leads on to a weight. Norms, activations, power
//! iterations, losses, augmentation, optimisers and second derivatives are left out, so the numbers
//! are lower bounds.

use super::budget::Spent;
use crate::networks::LayerSize;

/// Two networks as their layers from first to last. The discriminator's heads that are counted are
/// its last layers.
#[derive(Clone, Debug)]
pub struct Pair {
    /// From z to the image.
    pub generator: Vec<LayerSize>,
    /// From the image to the outputs of the heads.
    pub discriminator: Vec<LayerSize>,
}

/// Images that pass in one step, by what is computed for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    /// Through G with the gradients of its weights.
    pub g_trained: u64,
    /// Through G forward alone.
    pub g_forward: u64,
    /// Through D with the gradients of its weights.
    pub d_trained: u64,
    /// Through D with the gradient of the image.
    pub d_to_image: u64,
    /// Through D with the gradients of its weights and of the image.
    pub d_trained_to_image: u64,
    /// Through D forward alone.
    pub d_forward: u64,
}

impl Pair {
    /// Floating-point operations of a step.
    pub fn step(&self, passes: &Passes) -> f64 {
        let g = Counts::of(&self.generator);
        let d = Counts::of(&self.discriminator);
        let multiply_adds = passes.g_trained * g.trained()
            + passes.g_forward * g.forward
            + passes.d_trained * d.trained()
            + passes.d_to_image * (d.forward + d.inputs)
            + passes.d_trained_to_image * (d.trained() + d.first)
            + passes.d_forward * d.forward;
        2.0 * multiply_adds as f64
    }
}

impl Passes {
    /// Of a method's training so far, from what was counted. `n`: generated images of a generator
    /// step.
    pub fn of_training(n: usize, spent: &Spent) -> Self {
        let g_trained = n as u64 * spent.g_steps;
        Self {
            g_trained,
            g_forward: spent.g_image_forwards.saturating_sub(g_trained),
            d_trained: spent.d_image_forwards,
            d_to_image: g_trained,
            // Reals that the generator's loss compares with.
            d_forward: spent.d_image_forwards_g_step.saturating_sub(g_trained),
            ..Self::default()
        }
    }
}

/// Multiply-adds of one image.
struct Counts {
    forward: u64,
    weights: u64,
    /// Gradients of every layer's input, the image's or z's among them.
    inputs: u64,
    /// That of the first layer's input alone.
    first: u64,
}

impl Counts {
    fn of(layers: &[LayerSize]) -> Self {
        let all = layers.iter().map(LayerSize::multiply_adds).sum();
        let first = layers.first().map_or(0, LayerSize::multiply_adds);
        Self { forward: all, weights: all, inputs: all, first }
    }

    /// Forward and the weights' gradients; the input of the first layer needs none.
    fn trained(&self) -> u64 {
        self.forward + self.weights + self.inputs - self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G of one layer with 10 multiply-adds and one with 6; D of one with 3 and one with 4.
    fn pair() -> Pair {
        Pair {
            generator: vec![LayerSize::linear(2, 5), LayerSize::linear(2, 3)],
            discriminator: vec![LayerSize::linear(3, 1), LayerSize::linear(4, 1)],
        }
    }

    #[test]
    fn each_kind_of_pass_counts_what_it_computes() {
        let of = |passes| pair().step(&passes);
        let none = Passes::default();
        assert_eq!(of(Passes { g_forward: 1, ..none }), 2.0 * 16.0);
        // Forward 16, weights 16, the input of the second layer 6.
        assert_eq!(of(Passes { g_trained: 1, ..none }), 2.0 * 38.0);
        assert_eq!(of(Passes { d_forward: 1, ..none }), 2.0 * 7.0);
        assert_eq!(of(Passes { d_trained: 1, ..none }), 2.0 * (7.0 + 7.0 + 4.0));
        assert_eq!(of(Passes { d_to_image: 1, ..none }), 2.0 * (7.0 + 7.0));
        assert_eq!(of(Passes { d_trained_to_image: 1, ..none }), 2.0 * (7.0 + 7.0 + 7.0));
    }

    #[test]
    fn the_passes_of_training_follow_from_its_counts() {
        // Two steps of three fakes each; G's steps also send three reals through D.
        let spent = Spent {
            g_steps: 2,
            g_image_forwards: 12,
            d_image_forwards: 12,
            d_image_forwards_g_step: 12,
            ..Spent::default()
        };
        let expected = Passes {
            g_trained: 6,
            g_forward: 6,
            d_trained: 12,
            d_to_image: 6,
            d_forward: 6,
            ..Passes::default()
        };
        assert_eq!(Passes::of_training(3, &spent), expected);
    }

    #[test]
    fn passes_add_up() {
        let none = Passes::default();
        let some = Passes { g_forward: 3, d_trained: 2, ..none };
        let (a, b) = (Passes { g_forward: 3, ..none }, Passes { d_trained: 2, ..none });
        assert_eq!(pair().step(&some), pair().step(&a) + pair().step(&b));
    }
}
