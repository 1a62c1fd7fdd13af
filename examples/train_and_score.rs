//! Trains one method on `shapes` for a few steps, and measures what it makes.
//!
//! `cargo run --release --example train_and_score -- [METHOD] [G_STEPS]`

use anyhow::{Context as _, Result};
use candle_core::Device;
use ganbench::plan::request::TableRequest;
use ganbench_baselines::train::{SampleRequest, Trainer};
use ganbench_data::{DatasetRequest, Split, load as load_images};
use ganbench_metrics::{
    EvaluationInput, ExtractorId, RealReference, Settings, WeightsSource, evaluate, load,
};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let method = words.next().unwrap_or_else(|| "gan".into());
    let steps = words.next().unwrap_or_else(|| "20".into());
    // The plan of `ganbench reproduce table1 --methods METHOD --budget g_steps=STEPS`.
    let request = TableRequest {
        table: "table1".into(),
        methods: Some(vec![method]),
        budget: Some(format!("g_steps={steps}")),
        ..TableRequest::default()
    };
    let plan = request.plans()?.into_iter().next().context("the table has no rows")?;

    let images =
        DatasetRequest { limit: Some(1_000), ..DatasetRequest::new("shapes", Split::Train) };
    let images = load_images(&images, &mut |_| {})?.images;
    let mut trainer = Trainer::new(&plan.train, &images, 10, &Device::Cpu)?;
    while trainer.progress() < 1.0 {
        match trainer.step()? {
            Ok(record) => eprintln!("step {}: {:?}", record.g_step, record.losses),
            Err(diverged) => anyhow::bail!("{diverged:?}"),
        }
    }
    let request = SampleRequest { n: 200, seed: 0, class: None };
    let samples = trainer.sampler(false).sample(request, &mut |_| {})?;

    let extractor = load("small-shapes", &WeightsSource::find(None))?;
    let real = extractor.extract(&images, &mut |_, _| {})?;
    let fake = extractor.extract(&samples, &mut |_, _| {})?;
    let values = evaluate(EvaluationInput {
        real: &RealReference::whole(real, None)?,
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
