//! Which statistics a generator's batch norms use when it is measured.

use candle_core::{Result, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;
use ganbench_nn::params::ParamStore;
use serde::{Deserialize, Serialize};

use super::sampler::{BATCH, SampleRequest, Sampler};

/// Of batch norm in evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Statistics {
    /// The running averages of training (averaged with the weights).
    #[default]
    Running,
    /// Those of each batch of 100 samples, as pix2pix and StudioGAN 0.2 have it.
    Batch,
    /// Running averages that begin anew and take in so many batches of samples, each of 2 up to
    /// `max_batch` (PyTorch-StudioGAN's `apply_standing_statistics`, where the least batch is 1;
    /// Brock et al. 2019, arXiv:1809.11096, Appendix C.2).
    Standing {
        /// Number of batches.
        batches: usize,
        /// Samples of the largest batch, at least 2.
        max_batch: usize,
    },
}

impl Statistics {
    /// `running`, `batch` or `standing`, as in a plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Batch => "batch",
            Self::Standing { .. } => "standing",
        }
    }

    /// Whether they are the running ones: what a plan leaves out.
    pub fn is_running(&self) -> bool {
        *self == Self::Running
    }

    /// Makes the statistics of `store`, whose generator `sampler` samples, and says in which pass
    /// to sample.
    ///
    /// # Errors
    /// If the network has no batch norm, or a number is out of its range.
    pub(super) fn prepare(
        self,
        store: &ParamStore,
        sampler: &Sampler<'_>,
        seed: u64,
    ) -> Result<Pass> {
        let no_norm = || "evaluation.statistics are of batch norm, and this generator has none; leave them out";
        match self {
            Self::Running => Ok(Pass::Eval),
            Self::Batch => match store.running_statistics() {
                0 => bail!("{}", no_norm()),
                _ => Ok(Pass::Batch),
            },
            Self::Standing { batches, max_batch } => {
                if batches == 0 || !(2..=BATCH).contains(&max_batch) {
                    bail!(
                        "standing statistics take at least 1 batch of 2 to {BATCH} samples at most, got {batches} of \
                         at most {max_batch}"
                    )
                }
                if store.reset_running_statistics() == 0 {
                    bail!("{}", no_norm())
                }
                let mut sizes = Stream::new(seed, "standing/sizes");
                let mut seeds = Stream::new(seed, "standing/seeds");
                let sampler = sampler.through(sampler.generator()).with_pass(Pass::Standing);
                for _ in 0..batches {
                    let n = 2 + sizes.below(max_batch as u64 - 1) as usize;
                    let request = SampleRequest { n, seed: seeds.u64(), class: None };
                    sampler.outputs(request)?;
                }
                Ok(Pass::Eval)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use ganbench_data::images::ImageSize;

    use super::super::same_start_tests::plan;
    use super::super::sampler::LoadedGenerator;
    use super::*;
    use crate::methods;
    use crate::networks::architecture;

    /// A generator with its initial weights: its running statistics are not those of its layers.
    fn fresh(name: &str) -> LoadedGenerator {
        let mut plan = plan(methods::method("gan").unwrap());
        plan.network.architecture = name.into();
        let size = ImageSize::new(32, 32, 3);
        let sizes = plan.sizes(32, 3, 0);
        let store = ParamStore::new("generator", 5, &Device::Cpu);
        let _generator = (architecture(name).unwrap().generator)(&store.root(), sizes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.safetensors");
        candle_core::safetensors::save(&store.state().unwrap().into_iter().collect(), &path)
            .unwrap();
        LoadedGenerator::new(&plan, size, 0, &path, &Device::Cpu).unwrap()
    }

    /// Mean distance of pixel values, in −1..=1.
    fn distance(a: &LoadedGenerator, b: &LoadedGenerator) -> f64 {
        let request = SampleRequest { n: 100, seed: 7, class: None };
        let [a, b] = [a, b].map(|g| g.sampler().outputs(request).unwrap());
        let apart = (a - b).unwrap().abs().unwrap().mean_all().unwrap();
        f64::from(apart.to_scalar::<f32>().unwrap())
    }

    #[test]
    fn standing_statistics_come_to_those_of_large_batches() {
        let of = |statistics| fresh("sndcgan").with_statistics(statistics, 3).unwrap();
        let batch = of(Statistics::Batch);
        let running = distance(&of(Statistics::Running), &batch);
        let standing = of(Statistics::Standing { batches: 100, max_batch: 100 });
        let found = distance(&standing, &batch);
        assert!(running > 0.03 && found < 0.3 * running, "{found} against {running}");
        // The same seed makes the same statistics.
        assert_eq!(
            distance(&standing, &of(Statistics::Standing { batches: 100, max_batch: 100 })),
            0.0
        );
        // Sampling with the batch's statistics leaves no trace.
        assert_eq!(distance(&batch, &batch), 0.0);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        let refusal = |name, statistics| {
            fresh(name).with_statistics(statistics, 0).err().unwrap().to_string()
        };
        for statistics in [Statistics::Batch, Statistics::Standing { batches: 9, max_batch: 9 }] {
            let error = refusal("stylegan2", statistics);
            assert!(error.contains("this generator has none; leave them out"), "{error}");
        }
        for (batches, max_batch) in [(0, 9), (9, 1), (9, 101)] {
            let error = refusal("sndcgan", Statistics::Standing { batches, max_batch });
            assert!(error.contains(&format!("got {batches} of at most {max_batch}")), "{error}");
        }
    }
}
