//! How large a plan may be: the ranges of its sizes, and what its networks take at least. A size is
//! multiplied by others before anything is made of it, so that a typing error of some digits would
//! end the program.

use super::check::{TrainError, known_architecture};
use super::plan::TrainPlan;
use crate::networks::LayerSize;

/// Checks that every size of a plan is in its range.
///
/// # Errors
/// Naming the first that is not.
pub fn check_sizes(plan: &TrainPlan) -> Result<(), TrainError> {
    let wrong = |field, expected, got: usize| {
        Err(TrainError::Value { field, expected, got: got.to_string() })
    };
    if plan.batch < 2 {
        return wrong("batch", "2 or more", plan.batch);
    }
    let network = &plan.network;
    for (field, value, most, expected) in [
        ("batch", plan.batch, 65_536, "at most 65536"),
        ("n_dis", plan.n_dis, 1_000, "at most 1000"),
        ("network.width", network.width, 2_048, "at most 2048"),
        ("network.z_dim", network.z_dim, 16_384, "at most 16384"),
        ("network.head_hidden", network.head_hidden, 16_384, "at most 16384"),
        ("log_every_steps", plan.log_every_steps as usize, usize::MAX, ""),
    ] {
        if value == 0 {
            return wrong(field, "1 or more", 0);
        }
        if value > most {
            return wrong(field, expected, value);
        }
    }
    Ok(plan.parts.check()?)
}

/// Weights of a plan's generator and of its discriminator without its heads.
///
/// # Errors
/// If there is no such architecture, or a size is out of its range.
pub fn network_weights(
    plan: &TrainPlan,
    image_size: usize,
    channels: usize,
    classes: usize,
) -> Result<[u64; 2], TrainError> {
    check_sizes(plan)?;
    let a = known_architecture(&plan.network.architecture)?;
    let sizes = plan.sizes(image_size, channels, classes);
    let weights = |layers: Vec<LayerSize>| layers.iter().map(|l| l.weights() as u64).sum();
    Ok([weights((a.generator_layers)(sizes)), weights((a.trunk_layers)(sizes))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{METHODS, method};
    use crate::networks::ARCHITECTURES;
    use crate::train::same_start_tests::plan as plan_of;

    fn plan(name: &str) -> TrainPlan {
        plan_of(method(name).unwrap())
    }

    #[test]
    fn every_size_has_an_upper_end_with_a_sentence() {
        type Set = fn(&mut TrainPlan, usize);
        let huge = 1_000_000_000;
        let set: [(&str, Set); 5] = [
            ("batch must be at most 65536", |p, n| p.batch = n),
            ("n_dis must be at most 1000", |p, n| p.n_dis = n),
            ("network.width must be at most 2048", |p, n| p.network.width = n),
            ("network.z_dim must be at most 16384", |p, n| p.network.z_dim = n),
            ("network.head_hidden must be at most 16384", |p, n| p.network.head_hidden = n),
        ];
        for (said, set) in set {
            for size in [huge, usize::MAX] {
                let mut plan = plan("gan");
                set(&mut plan, size);
                let error = check_sizes(&plan).unwrap_err().to_string();
                assert_eq!(error, format!("{said}, got {size}"));
                assert_eq!(network_weights(&plan, 32, 3, 10).unwrap_err().to_string(), error);
            }
        }
        for method in METHODS {
            check_sizes(&plan(method.name)).unwrap();
        }
        let mut plan = plan("contrad");
        plan.parts.contrastive.as_mut().unwrap().projection_dim = huge;
        let error = check_sizes(&plan).unwrap_err().to_string();
        assert!(error.starts_with("parts.contrastive.projection_dim must be at most"), "{error}");
    }

    #[test]
    fn the_largest_networks_are_counted_without_overflow() {
        for a in ARCHITECTURES {
            let mut plan = plan("gan");
            plan.network.architecture = a.name.into();
            (plan.network.width, plan.network.z_dim) = (2_048, 16_384);
            let side = *a.image_sizes.last().unwrap();
            let [g, d] = network_weights(&plan, side, 3, 1_000).unwrap();
            assert!(g > 1 << 20 && d > 1 << 20 && g < 1 << 50 && d < 1 << 50, "{} {g} {d}", a.name);
        }
    }
}
