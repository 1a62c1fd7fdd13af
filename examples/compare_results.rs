//! Which rows of two results differ by more than chance.
//!
//! `cargo run --release --example compare_results -- A.parquet B.parquet`: results of `ganbench
//! reproduce`, or folders of runs.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ganbench::report::comparison::{read, two_results};

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [a, b] = &paths[..] else { anyhow::bail!("usage: compare_results A B") };
    let rows = [read(a)?, read(b)?];
    let compared = two_results([&rows[0], &rows[1]], [a, b], "last")
        .context("the two results cannot be compared")?;
    for line in &compared.lines {
        println!("{}", line.text());
    }
    for refused in &compared.refused {
        println!("not compared: {refused}");
    }
    Ok(())
}
