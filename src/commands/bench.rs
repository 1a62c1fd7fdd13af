//! `ganbench bench`: how fast it is, alone and beside another program.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::bench::compare::{self, Work};
use crate::bench::ops::{self, OpLine};
use crate::bench::record::Record;
use crate::bench::train_step::{self, Forwards, Measured};
use crate::bench::{Profile, Repeats};
use crate::machine::{self, UsageError};
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Time one training step: of a plain pair of networks, or of a method
    TrainStep(TrainStepArgs),
    /// Time single ops: convolutions, leaky ReLU, batch norm, Adam
    Ops(OpsArgs),
    /// Time this program and another framework's script in alternation
    Compare(CompareArgs),
}

/// Without --method: G and D with one linear head, non-saturating loss, Adam on both; one update of D on
/// reals and fakes in two passes, one of G. Variant "full" also computes the gradients of D's weights in
/// G's update, as frameworks do by default; "skip" does not, as training here.
#[derive(Debug, Args)]
pub struct TrainStepArgs {
    /// Architecture: see `ganbench list architectures`
    #[arg(long, default_value = "sndcgan")]
    pub architecture: String,
    /// Width of the networks
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// A method's own step as `reproduce table1` runs it: see `ganbench list methods`
    #[arg(long)]
    pub method: Option<String>,
    /// Timed steps of each variant
    #[arg(long, default_value_t = 5)]
    pub steps: usize,
    /// Steps before, untimed
    #[arg(long, default_value_t = 2)]
    pub warmup: usize,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Run as many steps again and tell where their time goes, op by op
    #[arg(long)]
    pub profile: bool,
    /// One line of JSON; without --method that of "full", with the times of "skip" beside
    #[arg(long)]
    pub json: bool,
}

/// Convolutions have the shapes of SNDCGAN at width 64. `fwd` is the op alone, `fwd+bwd` with the sum of
/// its outputs and all gradients.
#[derive(Debug, Args)]
pub struct OpsArgs {
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Timed repetitions of each op
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub repeat: usize,
    /// One line of JSON an op and pass
    #[arg(long)]
    pub json: bool,
}

/// The script is called with --batch, --width, --steps, --warmup (or --batch, --repeat for --ops) and
/// prints JSON lines with `median_ms` and `min_ms`, as `reports/peer/ops.py`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The other framework's script
    #[arg(long, value_name = "FILE")]
    pub peer_script: PathBuf,
    /// What runs the script
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub python: PathBuf,
    /// Runs of each side
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Width of the networks
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Timed steps of a run
    #[arg(long, default_value_t = 5)]
    pub steps: usize,
    /// Steps before, untimed
    #[arg(long, default_value_t = 2)]
    pub warmup: usize,
    /// Compare single ops instead of training steps
    #[arg(long)]
    pub ops: bool,
    /// Timed repetitions of each op in a run
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub repeat: usize,
    /// Threads of both sides [default: what each takes itself]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Keep DATE-NAME.json with every round and DATE-NAME.md here
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// NAME of the kept files [default: train-step or ops]
    #[arg(long, requires = "out")]
    pub name: Option<String>,
    /// All rounds as one line of JSON instead of the table
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If a flag's value cannot be, or the measured work fails.
pub fn run(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::TrainStep(args) => train_step(args),
        BenchCommand::Ops(args) => ops(args),
        BenchCommand::Compare(args) => compare(args),
    }
}

fn at_least_1(flags: &[(&str, usize)]) -> Result<(), UsageError> {
    match flags.iter().find(|(_, value)| *value == 0) {
        Some((flag, _)) => Err(UsageError::new(format!("{flag} is 0, expected at least 1"))),
        None => Ok(()),
    }
}

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

fn train_step(args: &TrainStepArgs) -> Result<()> {
    at_least_1(&[("--batch", args.batch), ("--width", args.width), ("--steps", args.steps)])?;
    let threads = machine::set_threads(args.threads)?;
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
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

fn print_steps(lines: &[StepLine<'_>], measured: &[Measured]) -> Result<()> {
    let Some(first) = lines.first() else { return Ok(()) };
    println!(
        "{}, {} width {}, batch {}, {} threads, {} steps",
        first.method.unwrap_or("plain pair"),
        first.architecture,
        first.width,
        first.batch,
        first.threads,
        first.steps
    );
    println!(
        "{:<8} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "variant", "median ms", "min ms", "images/s", "GFLOP/s", "peak RSS MB"
    );
    for l in lines {
        println!(
            "{:<8} {:>10.2} {:>10.2} {:>10.1} {:>10.1} {:>12.0}",
            l.variant, l.median_ms, l.min_ms, l.images_per_s, l.gflops, l.peak_rss_mb
        );
    }
    if let Some(f) = first.forwards {
        println!(
            "images through D a step: {} in D's update, {} in G's",
            f.d_image_forwards, f.d_image_forwards_g_step
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
    println!("\n{variant}: {:.2} ms a step with the timers on", profile.wall_s * 1e3 / steps);
    println!("{:>12} {:>10} {:>7}  op", "calls a step", "ms a step", "share");
    let line = |calls: &str, seconds: f64, name: &str| {
        let share = 100.0 * seconds / profile.wall_s;
        println!("{calls:>12} {:>10.3} {share:>5.1} %  {name}", seconds * 1e3 / steps);
    };
    for op in &profile.ops {
        line(&format!("{:.1}", op.calls as f64 / steps), op.seconds, op.name);
    }
    line("", profile.rest_s(), REST);
}

fn ops(args: &OpsArgs) -> Result<()> {
    at_least_1(&[("--batch", args.batch), ("--repeat", args.repeat)])?;
    let threads = machine::set_threads(args.threads)?;
    let repeats = Repeats { warmup: 2, timed: args.repeat };
    let settings = ops::Settings { batch: args.batch, threads, repeats };
    if !args.json {
        println!("batch {}, {threads} threads, {} repetitions", args.batch, args.repeat);
        println!(
            "{:<36} {:<8} {:>10} {:>10} {:>8}",
            "op", "pass", "median ms", "min ms", "GFLOP/s"
        );
    }
    ops::measure(&settings, &mut |line: OpLine| {
        if args.json {
            println!("{}", serde_json::to_string(&line)?);
        } else {
            let gflops = line.gflops.map_or("-".to_string(), |g| format!("{g:.1}"));
            println!(
                "{:<36} {:<8} {:>10.3} {:>10.3} {gflops:>8}",
                line.op, line.pass, line.median_ms, line.min_ms
            );
        }
        Ok(())
    })
}

/// A load average above which a comparison is not worth much.
const BUSY: f64 = 0.5;

fn compare(args: &CompareArgs) -> Result<()> {
    at_least_1(&[
        ("--batch", args.batch),
        ("--width", args.width),
        ("--steps", args.steps),
        ("--rounds", args.rounds),
        ("--repeat", args.repeat),
        ("--threads", args.threads.unwrap_or(1)),
    ])?;
    let work = if args.ops {
        Work::Ops { repeat: args.repeat }
    } else {
        Work::TrainStep { width: args.width, steps: args.steps, warmup: args.warmup }
    };
    let name = args.name.clone().unwrap_or_else(|| work.name().to_string());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        let text = format!("--name is \"{name}\", expected letters, digits, '-', '_' and '.' only");
        return Err(UsageError::new(text).into());
    }
    let settings = compare::Settings {
        work,
        batch: args.batch,
        rounds: args.rounds,
        threads: args.threads,
        interpreter: args.python.clone(),
        script: args.peer_script.clone(),
    };
    let mut bar = Progress::new("bench compare", args.rounds as f64, false);
    let mut told = |n: usize| {
        if n < args.rounds {
            bar.set(n as f64, &format!("{n}/{} rounds", args.rounds));
        }
    };
    let load_before = machine::load();
    if load_before.is_some_and(|load| load > BUSY) {
        eprintln!(
            "note: the load average is {:.1}: other programs work here, and frameworks whose threads spin \
             suffer most; give the command again on an idle machine",
            load_before.unwrap_or(0.0)
        );
    }
    let rounds = settings.run(&mut told)?;
    bar.finish(&format!("{} rounds", rounds.len()));
    let record = Record::new(&settings, rounds, load_before)?;
    if args.json {
        println!("{}", serde_json::to_string(&record)?);
    } else {
        print!("{}", record.text());
    }
    if let Some(dir) = &args.out {
        for path in record.write(dir, &name)? {
            eprintln!("{}", path.display());
        }
    }
    Ok(())
}
