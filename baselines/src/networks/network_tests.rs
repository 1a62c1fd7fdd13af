//! What every architecture owes: images of the right shape and range, and gradients on all parameters.

use candle_core::{DType, Device, Tensor};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::ParamStore;
use ganbench_nn::rng::Stream;

use super::{Architecture, Discriminator, HeadKind, HeadSpec, Latent, NetworkSizes};

pub const SIZES: NetworkSizes = NetworkSizes {
    width: 4,
    image_size: 32,
    channels: 3,
    z_dim: 16,
    classes: None,
    options: super::tests::DEFAULT,
};

const BATCH: usize = 4;

/// Trainable values of the generator and of the trunk.
pub fn parameter_counts(a: &Architecture, sizes: NetworkSizes) -> (usize, usize) {
    let (g, d) = stores();
    (a.generator)(&g.root(), sizes).unwrap();
    (a.trunk)(&d.root(), sizes).unwrap();
    (g.parameter_count(), d.parameter_count())
}

fn stores() -> (ParamStore, ParamStore) {
    let store = |network| ParamStore::new(network, 0, &Device::Cpu);
    (store("generator"), store("discriminator"))
}

/// What a generator of these sizes starts from; always the same z, `noise` as given.
pub fn latent(sizes: NetworkSizes, noise: Option<u64>) -> Latent {
    let z = Stream::new(0, "z").normal(BATCH * sizes.z_dim);
    let labels = sizes.classes.map(|classes| {
        let labels: Vec<u32> = (0..BATCH).map(|i| (i % classes) as u32).collect();
        Tensor::from_vec(labels, BATCH, &Device::Cpu).unwrap()
    });
    let z = Tensor::from_vec(z, (BATCH, sizes.z_dim), &Device::Cpu).unwrap();
    Latent { z, labels, noise }
}

/// Images in range, and a finite gradient of D's output on every parameter of G, trunk and head.
pub fn assert_trains(a: &Architecture, sizes: NetworkSizes) {
    let (g, d) = stores();
    let generator = (a.generator)(&g.root(), sizes).unwrap();
    let head = HeadSpec { name: "adv", kind: HeadKind::Linear, outputs: 1, hidden: 0 };
    let discriminator = Discriminator::new(&d.root(), a, sizes, &[head]).unwrap();
    let latent = latent(sizes, a.noise.then_some(7));

    let x = generator.forward(&latent, Pass::Eval).unwrap();
    assert_eq!(x.dims(), [BATCH, sizes.channels, sizes.image_size, sizes.image_size]);
    let largest = x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(largest <= 1.0, "{largest}");

    let x = generator.forward(&latent, Pass::Train).unwrap();
    let scored = discriminator.score(&x, None, Pass::Train).unwrap();
    assert_eq!(scored.features.rank(), 2);
    let logits = scored.head("adv").unwrap();
    assert_eq!(logits.dims(), [BATCH, 1]);
    // Squared: the batch norms of a sum of normalised maps would hide its gradient.
    let grads = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    for (name, var) in g.params().into_iter().chain(d.params()) {
        let grad = grads.get(&var).unwrap_or_else(|| panic!("{}: {name} has no gradient", a.name));
        let sum = grad.to_dtype(DType::F64).unwrap().abs().unwrap().sum_all().unwrap();
        assert!(sum.to_scalar::<f64>().unwrap().is_finite(), "{}: gradient of {name}", a.name);
    }
}
