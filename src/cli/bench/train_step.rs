//! `ganbench bench train-step`: the step's table, JSON line and profile.

use anyhow::Result;
use ganbench_baselines::methods;
use serde::Serialize;

use super::{TrainStepArgs, in_range};
use crate::bench::train_step::{self, Forwards, Measured};
use crate::bench::{Profile, Repeats};
use crate::cli::process;
use crate::machine;
use crate::progress::Progress;

/// What `train-step --json` prints.
#[derive(Serialize)]
struct StepLine<'a> {
    variant: &'a str,
    median_ms: f64,
    min_ms: f64,
    images_per_s: f64,
    gflops: f64,
    peak_rss_mb: f64,
    threads: usize,
    batch: usize,
    width: usize,
    steps: usize,
    architecture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    forwards: Option<Forwards>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_median_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_min_ms: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<ProfileLine<'a>>,
}

#[derive(Serialize)]
struct ProfileLine<'a> {
    variant: &'a str,
    op: &'a str,
    calls_per_step: f64,
    ms_per_step: f64,
    /// Of the wall time.
    share: f64,
}

/// # Errors
/// If a flag's value cannot be, or a step fails.
pub fn run(args: &TrainStepArgs) -> Result<()> {
    in_range(&[("--batch", args.batch), ("--width", args.width), ("--steps", args.steps)])?;
    let method = args.method.as_deref().and_then(methods::method);
    if method.is_some_and(|method| (method.parts)().second_order()) {
        process::keep_gradients_on_the_tape();
    }
    let threads = process::set_threads(args.threads)?;
    let settings = train_step::Settings {
        architecture: args.architecture.clone(),
        width: args.width,
        batch: args.batch,
        repeats: Repeats { warmup: args.warmup, timed: args.steps },
        profile: args.profile,
    };
    let variants = if args.method.is_some() { 1 } else { 2 };
    let total = variants * (args.warmup + args.steps);
    let mut bar = Progress::new("bench train-step", total as f64, false);
    let mut told = |n: usize| bar.set(n as f64, &format!("{n}/{total} steps"));
    let measured = match &args.method {
        Some(method) => vec![train_step::of_method(&settings, method, &mut told)?],
        None => train_step::plain(&settings, &mut told)?,
    };
    bar.finish(&format!("{total} steps"));
    let peak_rss_mb = machine::peak_rss_mb();
    let lines: Vec<StepLine<'_>> = measured
        .iter()
        .map(|m| StepLine {
            variant: m.variant,
            median_ms: m.times.median(),
            min_ms: m.times.min(),
            images_per_s: args.batch as f64 / m.times.median() * 1e3,
            gflops: m.flops / m.times.median() / 1e6,
            peak_rss_mb,
            threads,
            batch: args.batch,
            width: args.width,
            steps: args.steps,
            architecture: &args.architecture,
            method: args.method.as_deref(),
            forwards: m.forwards,
            skip_median_ms: None,
            skip_min_ms: None,
            profile: profile_lines(m),
        })
        .collect();
    if args.json { print_json(lines) } else { print_steps(&lines, &measured) }
}

/// The first variant's line; the second's times and profile go with it.
fn print_json(lines: Vec<StepLine<'_>>) -> Result<()> {
    let mut lines = lines.into_iter();
    let Some(mut line) = lines.next() else { return Ok(()) };
    if let Some(skip) = lines.next() {
        line.skip_median_ms = Some(skip.median_ms);
        line.skip_min_ms = Some(skip.min_ms);
        line.profile.extend(skip.profile);
    }
    crate::cli::tell::json(&line)?;
    Ok(())
}

fn print_steps(lines: &[StepLine<'_>], measured: &[Measured]) -> Result<()> {
    let Some(first) = lines.first() else { return Ok(()) };
    say!(
        "{}, {} width {}, batch {}, {} threads, {} steps",
        first.method.unwrap_or("plain pair"),
        first.architecture,
        first.width,
        first.batch,
        first.threads,
        first.steps
    );
    say!(
        "{:<8} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "variant",
        "median ms",
        "min ms",
        "images/s",
        "GFLOP/s",
        "peak RSS MB"
    );
    for l in lines {
        say!(
            "{:<8} {:>10.2} {:>10.2} {:>10.1} {:>10.1} {:>12.0}",
            l.variant,
            l.median_ms,
            l.min_ms,
            l.images_per_s,
            l.gflops,
            l.peak_rss_mb
        );
    }
    if let Some(f) = first.forwards {
        say!(
            "images through D a step: {} in D's update, {} in G's",
            f.d_image_forwards,
            f.d_image_forwards_g_step
        );
    }
    for m in measured {
        if let Some(profile) = &m.profile {
            print_profile(m.variant, profile);
        }
    }
    Ok(())
}

/// What the op timers do not see.
const REST: &str = "outside the ops: candle's own ops, tape, optimiser glue";

fn profile_lines<'a>(measured: &Measured) -> Vec<ProfileLine<'a>> {
    let Some(profile) = &measured.profile else { return Vec::new() };
    let steps = profile.steps as f64;
    let line = |op, calls: f64, seconds: f64| ProfileLine {
        variant: measured.variant,
        op,
        calls_per_step: calls / steps,
        ms_per_step: seconds * 1e3 / steps,
        share: seconds / profile.wall_s,
    };
    let ops = profile.ops.iter().map(|op| line(op.name, op.calls as f64, op.seconds));
    ops.chain([line(REST, 0.0, profile.rest_s())]).collect()
}

fn print_profile(variant: &str, profile: &Profile) {
    let steps = profile.steps as f64;
    say!("\n{variant}: {:.2} ms a step with the timers on", profile.wall_s * 1e3 / steps);
    say!("{:>12} {:>10} {:>7}  op", "calls a step", "ms a step", "share");
    let line = |calls: &str, seconds: f64, name: &str| {
        let share = 100.0 * seconds / profile.wall_s;
        say!("{calls:>12} {:>10.3} {share:>5.1} %  {name}", seconds * 1e3 / steps);
    };
    for op in &profile.ops {
        line(&format!("{:.1}", op.calls as f64 / steps), op.seconds, op.name);
    }
    line("", profile.rest_s(), REST);
}
