//! `ganbench features`: images in, a file of features out.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ganbench_metrics::extractor::PUBLISHED;
use ganbench_metrics::files::{Companions, write_features, write_statistics};
use ganbench_metrics::protocol;
use serde_json::json;

use super::extraction::{ExtractorArgs, ImageArgs, features_of};
use crate::machine::UsageError;
use crate::measure::{Images, Keep, open_images};

/// Writes `pool` f32 [N,d] and, where the network has them, `logits` f32 [N,classes]; with --stats
/// `mu` and `sigma` f64 and `n`; in both `labels` where images have classes, and `meta.json`, which
/// says what the numbers come from. `ganbench metrics` and `eval` read both. Prints one JSON
/// object.
#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// The images, as in `ganbench eval`
    #[arg(long, value_name = "SRC")]
    pub images: String,
    /// The protocol that the numbers are for: chooses its extractor, and is noted in the file
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub read: ImageArgs,
    /// Mean and covariance instead of features: memory then does not grow with the images
    #[arg(long)]
    pub stats: bool,
    /// Only N images, drawn (of each class its share); of a run, how many are made [default: all;
    /// of a run 10000]
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// Seed of a run's samples, and of the draw of the images that --n leaves; protocols draw with
    /// seed 0
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where the features go
    #[arg(long, value_name = "FILE.npz")]
    pub out: PathBuf,
}

/// # Errors
/// If the images or the weights cannot be had, or the file cannot be written.
pub fn run(args: &FeaturesArgs) -> Result<()> {
    if args.out.extension().is_none_or(|e| e != "npz") || args.out.is_dir() {
        let text = format!("--out {} is not the name of an .npz file", args.out.display());
        return Err(UsageError::new(text).into());
    }
    if args.n == Some(0) {
        return Err(UsageError::new("--n is 0, expected at least 1").into());
    }
    let protocol = args.protocol.as_deref().map(protocol::protocol).transpose()?;
    let of_protocol = protocol.and_then(|protocol| protocol.extractor.as_deref());
    let ready = args.extractor.ready(of_protocol.unwrap_or(PUBLISHED))?;
    if let (Some(protocol), Some(expected)) = (protocol, of_protocol)
        && ready.extractor.name() != expected
    {
        let text = format!(
            "protocol {} is measured with extractor {expected}, not {}; leave out one of the two flags",
            protocol.name,
            ready.extractor.name()
        );
        return Err(UsageError::new(text).into());
    }
    let mut request = args.read.request(&args.images);
    request.root = args.extractor.data.clone();
    (request.limit, request.seed) = (args.n, args.seed);
    let mut source = open_images(Images {
        request: &request,
        n: 10_000,
        seed: args.seed,
        device: &ready.device,
        quiet: ready.quiet,
    })?;
    let keep = if args.stats { Keep::Statistics } else { Keep::Rows };
    let (side, sha256) = features_of(source.as_mut(), keep, &ready)?;
    let mut meta = ready.key(&sha256, keep).meta(&side);
    meta.protocol = protocol.map(|protocol| protocol.name.clone());
    let companions = Companions { meta: Some(&meta), labels: side.labels.as_deref() };
    match (&side.statistics, &side.features) {
        (Some(statistics), _) if args.stats => write_statistics(&args.out, statistics, companions)?,
        (None, Some(features)) if args.stats => {
            let statistics = ganbench_metrics::Statistics::from_rows(features.pool_rows())?;
            write_statistics(&args.out, &statistics, companions)?;
        }
        (_, Some(features)) => write_features(&args.out, features, companions)?,
        _ => anyhow::bail!("the features were not kept"),
    }
    let read = side.images.as_ref();
    let hints = read.map_or(Vec::new(), |read| read.hints("given"));
    for hint in &hints {
        tell!("hint: {hint}");
    }
    let extractor = &ready.extractor;
    crate::cli::tell::json(
        &json!({"out": args.out.display().to_string(), "n": side.n, "feature_dim": extractor.feature_dim(),
               "images": read.map(|read| read.json()), "hints": hints,
               "extractor": {"name": extractor.name(), "sha256": extractor.weights_sha256()},
               "seconds": {"load": side.load_s, "extract": side.extract_s}}),
    )?;
    Ok(())
}
