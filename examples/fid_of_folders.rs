//! FID and other metrics of two folders of images.
//!
//! `cargo run --release --example fid_of_folders -- REAL FAKE [EXTRACTOR]`. Any source of images
//! will do: folders, `.npz`, `dataset:cifar10:test`. The extractor is `inception` unless told
//! otherwise; its weights are downloaded where they are not at hand.

use anyhow::{Context as _, Result};
use ganbench_data::images::ImageView;
use ganbench_data::sources::{Image, SourceRequest, open};
use ganbench_metrics::{
    EvaluationInput, Extractor, ExtractorId, Features, RealReference, Settings, WeightsSource,
    evaluate, load,
};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let real = words.next().context("usage: fid_of_folders REAL FAKE [EXTRACTOR]")?;
    let fake = words.next().context("usage: fid_of_folders REAL FAKE [EXTRACTOR]")?;
    let name = words.next().unwrap_or_else(|| "inception".into());
    let extractor = load(&name, &WeightsSource::find(None))?;
    let real = RealReference::whole(features(&real, extractor.as_ref())?, None)?;
    let fake = features(&fake, extractor.as_ref())?;
    let values = evaluate(EvaluationInput {
        real: &real,
        fake: &fake,
        extractor: ExtractorId::from_extractor(extractor.as_ref()),
        metrics: None,
        settings: Settings::default(),
        labels: None,
    })?;
    for value in values {
        println!("{:<28} {:.4}", value.metric, value.value);
    }
    Ok(())
}

/// Images are read in blocks, so that memory does not grow with their number.
fn features(source: &str, extractor: &dyn Extractor) -> Result<Features> {
    let mut source = open(&SourceRequest::new(source), &mut |_| {})?;
    let mut features = Features::empty(extractor.feature_dim(), extractor.classes());
    loop {
        let images = source.next(extractor.batch())?;
        if images.is_empty() {
            return Ok(features);
        }
        let views: Vec<ImageView<'_>> = images.iter().map(Image::view).collect();
        features.append(extractor.extract_batch(&views)?)?;
    }
}
