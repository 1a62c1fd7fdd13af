//! `ganbench bench`: how fast it is, alone and beside another program.

mod train_step;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::bench::Repeats;
use crate::bench::compare::{self, Work};
use crate::bench::eval;
use crate::bench::ops::{self, OpLine};
use crate::bench::record::Record;
use crate::cli::{examples, process};
use crate::machine::UsageError;
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Time one training step: of a plain pair of networks, or of a method
    ///
    /// Without --method: G and D with one linear head, non-saturating loss, Adam on both; one
    /// update of D on reals and fakes in two passes, one of G. Variant "full" also computes the
    /// gradients of D's weights in G's update, as frameworks do by default; "skip" does not, as
    /// training here.
    #[command(after_help = examples::BENCH_TRAIN_STEP)]
    TrainStep(TrainStepArgs),
    /// Time single ops: convolutions, leaky ReLU, batch norm, Adam
    ///
    /// Convolutions have the shapes of SNDCGAN at width 64. `fwd` is the op alone, `fwd+bwd` with
    /// the sum of its outputs and all gradients.
    #[command(after_help = examples::BENCH_OPS)]
    Ops(OpsArgs),
    /// Time evaluation: images to Inception features, FID, KID, precision to coverage
    ///
    /// On made images, made weights and made features of 2048 dimensions.
    #[command(after_help = examples::BENCH_EVAL)]
    Eval(EvalArgs),
    /// Time this program and another framework's script in alternation
    ///
    /// The script is called with --batch, --width, --steps, --warmup (or --batch, --repeat for
    /// --ops) and prints JSON lines with `median_ms` and `min_ms`, as `reports/peer/ops.py`.
    #[command(after_help = examples::BENCH_COMPARE)]
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
pub struct TrainStepArgs {
    /// Architecture: see `ganbench list architectures`
    #[arg(long, default_value = "sndcgan")]
    pub architecture: String,
    /// Width of the networks
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    /// Images per step
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

#[derive(Debug, Args)]
pub struct OpsArgs {
    /// Images per step
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Timed repetitions of each convolution; the shorter ops run 20 times as often
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub repeat: usize,
    /// One line of JSON an op and pass
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Images of each size
    #[arg(long, value_name = "N", default_value_t = 480)]
    pub images: usize,
    /// Features a side
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub n: usize,
    /// Timed repetitions
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: usize,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// One line of JSON each
    #[arg(long)]
    pub json: bool,
}

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
    #[arg(long, default_value_t = 64, help_heading = "Training steps and ops")]
    pub width: usize,
    /// Images per step
    #[arg(long, default_value_t = 64, help_heading = "Training steps and ops")]
    pub batch: usize,
    /// Timed steps of a run
    #[arg(long, default_value_t = 5, help_heading = "Training steps and ops")]
    pub steps: usize,
    /// Steps before, untimed
    #[arg(long, default_value_t = 2, help_heading = "Training steps and ops")]
    pub warmup: usize,
    /// Compare single ops instead of training steps
    #[arg(long, help_heading = "Training steps and ops")]
    pub ops: bool,
    /// Compare evaluation instead: the script is called with --images, --n and --repeat
    #[arg(long, conflicts_with = "ops", help_heading = "Evaluation")]
    pub eval: bool,
    /// With --eval: images of each size
    #[arg(long, value_name = "N", default_value_t = 480, help_heading = "Evaluation")]
    pub images: usize,
    /// With --eval: features a side
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Evaluation")]
    pub n: usize,
    /// Timed repetitions of each op in a run [default: 10, with --eval 1]
    #[arg(long, value_name = "N")]
    pub repeat: Option<usize>,
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
        BenchCommand::TrainStep(args) => train_step::run(args),
        BenchCommand::Ops(args) => ops(args),
        BenchCommand::Eval(args) => eval(args),
        BenchCommand::Compare(args) => compare(args),
    }
}

/// The largest value of a flag: memory and time grow with each.
fn most(flag: &str) -> usize {
    match flag {
        "--width" => 2_048,
        "--batch" => 65_536,
        _ => 1_000_000,
    }
}

fn in_range(flags: &[(&str, usize)]) -> Result<(), UsageError> {
    for &(flag, value) in flags {
        if value == 0 {
            return Err(UsageError::new(format!("{flag} is 0, expected at least 1")));
        }
        let most = most(flag);
        if value > most {
            return Err(UsageError::new(format!("{flag} is {value}, expected at most {most}")));
        }
    }
    Ok(())
}

fn ops(args: &OpsArgs) -> Result<()> {
    in_range(&[("--batch", args.batch), ("--repeat", args.repeat)])?;
    let threads = process::set_threads(args.threads)?;
    let repeats = Repeats { warmup: 2, timed: args.repeat };
    let settings = ops::Settings { batch: args.batch, threads, repeats };
    if !args.json {
        say!(
            "batch {}, {threads} threads, {} repetitions, of short ops {}",
            args.batch,
            args.repeat,
            args.repeat * ops::SHORT
        );
        say!("{:<36} {:<8} {:>10} {:>10} {:>8}", "op", "pass", "median ms", "min ms", "GFLOP/s");
    }
    ops::measure(&settings, &mut |line: OpLine| {
        if args.json {
            crate::cli::tell::json(&line)?;
        } else {
            let gflops = line.gflops.map_or("-".to_string(), |g| format!("{g:.1}"));
            say!(
                "{:<36} {:<8} {:>10.3} {:>10.3} {gflops:>8}",
                line.op,
                line.pass,
                line.median_ms,
                line.min_ms
            );
        }
        Ok(())
    })
}

fn eval(args: &EvalArgs) -> Result<()> {
    in_range(&[("--images", args.images), ("--repeat", args.repeat)])?;
    if args.n < 256 {
        let text = format!("--n is {}, expected at least 256", args.n);
        return Err(UsageError::new(text).into());
    }
    let threads = process::set_threads(args.threads)?;
    let settings = eval::Settings { images: args.images, n: args.n, repeat: args.repeat, threads };
    if !args.json {
        say!("{threads} threads, {} images, {} features a side", args.images, args.n);
        say!("{:<36} {:>10} {:>10} {:>10}", "work", "median ms", "min ms", "a second");
    }
    eval::measure(&settings, &mut |line| {
        if args.json {
            crate::cli::tell::json(&line)?;
        } else {
            say!(
                "{:<36} {:>10.3} {:>10.3} {:>10.2}",
                line.op,
                line.median_ms,
                line.min_ms,
                1e3 / line.median_ms
            );
        }
        Ok(())
    })
}

/// Cores in use by others above which a comparison is not worth much.
const BUSY: f64 = 0.1;

fn compare(args: &CompareArgs) -> Result<()> {
    in_range(&[
        ("--batch", args.batch),
        ("--width", args.width),
        ("--steps", args.steps),
        ("--rounds", args.rounds),
        ("--repeat", args.repeat.unwrap_or(1)),
        ("--images", args.images),
        ("--threads", args.threads.unwrap_or(1)),
    ])?;
    let work = if args.ops {
        Work::Ops { repeat: args.repeat.unwrap_or(10) }
    } else if args.eval {
        Work::Eval { images: args.images, n: args.n, repeat: args.repeat.unwrap_or(1) }
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
    let rounds = settings.run(&mut told)?;
    bar.finish(&format!("{} rounds", rounds.len()));
    let record = Record::new(&settings, rounds)?;
    if args.json {
        crate::cli::tell::json(&record)?;
    } else {
        say!("{}", record.text().trim_end());
    }
    if let Some(others) = record.others_cores.filter(|&cores| cores > BUSY) {
        tell!(
            "note: other programs used up to {others:.1} cores meanwhile; a framework whose threads spin while \
             they wait suffers most from that, so the ratios are not to be trusted: measure on an idle machine"
        );
    }
    if let Some(dir) = &args.out {
        for path in record.write(dir, &name)? {
            tell!("{}", path.display());
        }
    }
    Ok(())
}
