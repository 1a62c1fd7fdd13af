//! Fixed images through every resize, extractor and metric.

use anyhow::{Result, bail};
use ganbench_data::images::ImageBatch;
use ganbench_metrics::protocol::TABLES;
use ganbench_metrics::{
    Deviations, ExtractorId, Features, Labels, Measurement, MetricValue, metrics as all_metrics,
    needs,
};

use super::images::FixedImages;
use super::moments::{NAMES, moments};
use super::{DEFINITION, Measured, Pieces};
use crate::drift::value::{GuardedValue, Layer};

/// Rounding of f32 sums of other order and width moves these numbers by less.
const TOLERANCE: f64 = 1e-6;

/// The side that resizes bring images to.
const SIDE: usize = 75;
/// Images that go through the resizes.
const RESIZED: usize = 4;

/// An extractor, on how many images a side, and whether every metric is computed or its features
/// looked at.
#[derive(Clone, Copy)]
pub struct Probed {
    /// As in `ganbench list extractors`.
    pub extractor: &'static str,
    /// Images of each side.
    pub n: usize,
    /// Whether metrics of the features are probed too.
    pub metrics: bool,
}

const fn small(extractor: &'static str) -> Probed {
    Probed { extractor, n: 256, metrics: true }
}

/// Inception is slow: as few images as its metrics take, and of the other resizes only the
/// features.
pub const PROBED: &[Probed] = &[
    small("small-shapes"),
    // Pinned: a newer version would move every number that was measured by it.
    small("small-cifar10:17381cf3"),
    small("small-mnist"),
    Probed { extractor: "inception", n: 16, metrics: true },
    Probed { extractor: "inception-pytorch-fid", n: 4, metrics: false },
    Probed { extractor: "inception-studiogan", n: 4, metrics: false },
    Probed { extractor: "inception-clean", n: 4, metrics: false },
];

fn guarded(set: &FixedImages, name: String, value: f64) -> GuardedValue {
    GuardedValue {
        dataset: set.dataset.clone(),
        dataset_sha256: set.sha256.clone(),
        tolerance: Some(TOLERANCE),
        protocol: DEFINITION.into(),
        ..GuardedValue::new(Layer::Metric, name, value)
    }
}

/// Moments of images after each resize.
pub fn resizes(pieces: &Pieces, set: &FixedImages) -> Vec<GuardedValue> {
    let mut values = Vec::new();
    for resize in &pieces.resizes {
        let planes: Vec<f32> = set
            .real
            .views(0..RESIZED)
            .into_iter()
            .flat_map(|image| (resize.planes)(image, [SIDE; 2]))
            .collect();
        for (name, value) in NAMES.iter().zip(moments(&planes, SIDE)) {
            let name = format!("resize {} {name}", resize.name);
            let n_real = RESIZED as u64;
            values.push(GuardedValue { n_real, ..guarded(set, name, value) });
        }
    }
    values
}

/// Moments of each extractor's features, and every metric.
///
/// # Errors
/// If an extractor or metric fails, or a metric is not finite.
pub fn metrics(pieces: &Pieces, set: &FixedImages, probed: &[Probed]) -> Result<Vec<GuardedValue>> {
    let mut values = Vec::new();
    for probed in probed {
        let extractor = (pieces.extractor)(probed.extractor)?;
        let features = |images: &ImageBatch| extractor.extract(images, &mut |_, _| {});
        let fake = features(&set.fake.take(probed.n))?;
        let of = |value: GuardedValue| GuardedValue {
            extractor: extractor.name().into(),
            extractor_sha256: extractor.weights_sha256().into(),
            ..value
        };
        let logits = fake.logits().map(|l| ("logits", l.values.as_slice(), l.classes));
        for (what, numbers, width) in [("pool", fake.pool(), fake.dim())].into_iter().chain(logits)
        {
            for (name, value) in NAMES.iter().zip(moments(numbers, width)) {
                let id = ExtractorId::from_extractor(extractor.as_ref());
                let name = id.reported_name(&format!("{what} {name}"));
                let n_fake = probed.n as u64;
                values.push(of(GuardedValue { n_fake, ..guarded(set, name, value) }));
            }
        }
        if !probed.metrics {
            continue;
        }
        let real = features(&set.real.take(probed.n))?;
        let id = ExtractorId::from_extractor(extractor.as_ref());
        let mut measured = all(pieces, id, Sides { real: &real, fake: &fake })?;
        if let Some(bias) = extractor.logit_bias() {
            // As the protocols of StudioGAN want it.
            let mut biased = fake.clone();
            biased.add_to_logits(bias)?;
            let sides = Sides { real: &real, fake: &biased };
            let mut is = some(pieces, id, sides, &["is"])?;
            is.iter_mut().for_each(|v| v.metric.push_str(" with bias"));
            measured.extend(is);
        }
        for v in measured {
            let deviation = v.std.map(|std| (format!("{} std", v.metric), std));
            for (name, value) in [(v.metric, v.value)].into_iter().chain(deviation) {
                if !value.is_finite() {
                    bail!(
                        "{name} of fixed images of {} is {value}, expected a finite number",
                        set.dataset
                    );
                }
                let (n_real, n_fake) = (v.n_real as u64, v.n_fake as u64);
                values.push(of(GuardedValue { n_real, n_fake, ..guarded(set, name, value) }));
            }
        }
    }
    Ok(values)
}

#[derive(Clone, Copy)]
struct Sides<'a> {
    real: &'a Features,
    fake: &'a Features,
}

fn all(pieces: &Pieces, extractor: ExtractorId<'_>, sides: Sides<'_>) -> Result<Vec<MetricValue>> {
    let shown = sides.fake.recognitions().is_some();
    let names = all_metrics().map(|metric| metric.name);
    let names: Vec<&str> = names.filter(|name| shown || !needs(name).recognitions).collect();
    some(pieces, extractor, sides, &names)
}

fn some(
    pieces: &Pieces,
    extractor: ExtractorId<'_>,
    sides: Sides<'_>,
    metrics: &[&str],
) -> Result<Vec<MetricValue>> {
    let n = sides.fake.len();
    // Classes by position: enough images of each for intra-class FID.
    let labels: Vec<u32> = (0..n).map(|i| (i % 4) as u32).collect();
    let deviations = Deviations {
        is_splits: Some(4),
        kid_subset: Some(n / 2),
        kid_subsets: Some(10),
        ..Deviations::default()
    };
    let settings = Measurement::new(TABLES, &deviations)?.settings;
    (pieces.measure)(&Measured {
        real: sides.real,
        fake: sides.fake,
        extractor,
        metrics,
        settings,
        labels: Labels { real: &labels, fake: &labels },
    })
}
