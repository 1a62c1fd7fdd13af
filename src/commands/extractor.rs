//! Placeholder by the lead until the real file lands.
use anyhow::Result;
#[derive(Debug, clap::Args)]
pub struct TrainExtractorArgs {}
pub fn train(_: &TrainExtractorArgs) -> Result<()> {
    anyhow::bail!("not built yet")
}
