//! The commands, one file each.

pub mod agreement;
pub mod bench;
pub mod compare;
mod compare_jointly;
pub mod drift;
pub mod eval;
mod extraction;
pub mod extractor;
pub mod features;
pub mod fetch;
pub mod figure3;
pub mod kept;
pub mod list;
pub mod loss;
pub mod metrics;
pub mod probe;
pub mod remeasure;
pub mod report;
pub mod reproduce;
pub mod sample;
pub mod sensitivity;
pub mod train;
pub mod verify;
pub mod verify_extractor;

use anyhow::Result;
use clap::CommandFactory as _;
use ganbench_baselines::losses::registry::LossError;
use ganbench_baselines::train::TrainError;
use ganbench_data::DataError;
use ganbench_data::sources::SourceError;
use ganbench_metrics::{ExtractorError, MetricError};

use crate::cli::{Cli, MachineArgs};
use crate::machine;
use crate::plan::{Plan, PlanError};
use crate::run_folder::{Provenance, commit};
use crate::session::Surroundings;

/// Whether an error is of what was typed, not of what was found.
pub fn is_usage(error: &anyhow::Error) -> bool {
    let of = |e: &(dyn std::error::Error + 'static)| {
        let plan = e
            .downcast_ref::<PlanError>()
            .is_some_and(|e| !matches!(e, PlanError::Toml { .. } | PlanError::Format { .. }));
        let train = e.downcast_ref::<TrainError>().is_some_and(|e| {
            matches!(e, TrainError::Architecture { .. } | TrainError::Value { .. })
        });
        let extractor = e.downcast_ref::<ExtractorError>();
        let extractor = extractor.is_some_and(|e| matches!(e, ExtractorError::Unknown { .. }));
        // A source passes its dataset's error on as its own.
        let data = match e.downcast_ref::<SourceError>() {
            Some(SourceError::Dataset(data)) => Some(data),
            _ => e.downcast_ref::<DataError>(),
        };
        let data = data.is_some_and(|e| {
            matches!(e, DataError::UnknownDataset { .. } | DataError::UnknownSplit { .. })
        });
        let metric = e.downcast_ref::<MetricError>().is_some_and(|e| {
            matches!(e, MetricError::UnknownMetric { .. } | MetricError::UnknownProtocol { .. })
        });
        let loss = e.downcast_ref::<LossError>().is_some_and(|e| {
            matches!(
                e,
                LossError::Unknown { .. }
                    | LossError::UnknownSetting { .. }
                    | LossError::Setting { .. }
            )
        });
        plan || metric
            || loss
            || train
            || extractor
            || data
            || e.downcast_ref::<machine::UsageError>().is_some()
    };
    error.chain().any(of)
}

pub fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ganbench", &mut text);
    crate::tell::raw(&text);
    Ok(())
}

/// Threads, device and places, from the command line, for training by these plans.
fn surroundings<'a>(
    args: &MachineArgs,
    plans: impl IntoIterator<Item = &'a Plan>,
) -> Result<(Surroundings, usize)> {
    if plans.into_iter().any(|plan| plan.train.parts.second_order()) {
        machine::keep_gradients_on_the_tape();
    }
    let threads = machine::set_threads(args.threads)?;
    let at = Surroundings {
        data: args.data.clone(),
        weights: args.weights.clone(),
        device: machine::device(&args.device)?,
        quiet: args.quiet,
    };
    Ok((at, threads))
}

/// How this invocation runs.
fn provenance(args: &MachineArgs, threads: usize) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        command: command_line(),
        os: std::env::consts::OS.to_string(),
        arch: std::env::consts::ARCH.to_string(),
        cpu: machine::cpu_name(),
        simd: ganbench_nn::kernels::simd::isa().name().to_string(),
        threads,
        device: args.device.clone(),
        started_unix_s: machine::unix_s(),
        uneven_classes: None,
        trained_further_from: None,
    }
}

/// What was typed, without the folder that the program lies in. A word that is no UTF-8 (a path may
/// be any bytes) is shown as far as it is.
fn command_line() -> String {
    let typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("ganbench".to_string()).chain(typed).collect::<Vec<_>>().join(" ")
}

/// Says which half-written lines were left out of the results.
fn note_torn_lines(rebuilt: &crate::results::Rebuilt) {
    for torn in &rebuilt.torn {
        tell!(
            "note: {} line {} was cut off after {} bytes and is left out; its run measures it again",
            torn.path.display(),
            torn.line,
            torn.bytes
        );
    }
}
