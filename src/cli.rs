//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ganbench_baselines::train::Budget;

use crate::commands::agreement::AgreementArgs;
use crate::commands::bench::BenchCommand;
use crate::commands::compare::CompareArgs;
use crate::commands::drift::DriftArgs;
use crate::commands::eval::EvalArgs;
use crate::commands::extractor::TrainExtractorArgs;
use crate::commands::features::FeaturesArgs;
use crate::commands::fetch::FetchArgs;
use crate::commands::kept::KeptArgs;
use crate::commands::loss::LossArgs;
use crate::commands::metrics::MetricsArgs;
use crate::commands::probe::ProbeArgs;
use crate::commands::remeasure::RemeasureArgs;
use crate::commands::sensitivity::SensitivityArgs;
use crate::commands::verify::VerifyArgs;
use crate::commands::verify_extractor::VerifyExtractorArgs;
use crate::memory;

/// Trains GAN methods under equal budgets, measures them, and compares; measures any images.
///
/// Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 3 a check found a
/// difference, 4 it could not compare, 64 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "ganbench", version, max_term_width = 100)]
pub struct Cli {
    /// Refuse what would need more memory than this, such as 8GiB, 500MB or 4096 (of 2^20 bytes)
    /// [default: what is free]
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory::parse_limit)]
    pub memory_limit: Option<u64>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train and compare the methods of a table
    Reproduce(ReproduceArgs),
    /// Train one run from a recipe, or from the plan.toml of another run
    Train(TrainArgs),
    /// Write images of a trained run
    Sample(SampleArgs),
    /// Measure images from anywhere: FID, KID, IS, precision, recall, density, coverage, …
    Eval(EvalArgs),
    /// Write the features of images to a file
    Features(FeaturesArgs),
    /// Measure features from files, without a network
    Metrics(MetricsArgs),
    /// Compute a loss and its gradients on arrays of your own
    Loss(LossArgs),
    /// Say whether two results differ by more than chance
    Compare(CompareArgs),
    /// Measure what must not move: fixed images through every metric, first steps of every method
    ///
    /// Fixed images through every resize, extractor (Inception with weights from a formula) and
    /// metric; the losses, gradient norms and samples of the first steps of every method, and of
    /// the end of a short run that has a warm-up, an averaged generator and several epochs. Takes
    /// seconds, needs no data and no weights; where CIFAR-10 lies in --data or $GANBENCH_DATA its
    /// images are looked at too.
    Probe(ProbeArgs),
    /// Plant faults into real images and say which metric sees which, and from which strength on
    ///
    /// Faults of pixels (noise, blur, …), strangers among real images, classes and factors that are
    /// left out or tied, copies of reals: each at graded levels. A metric sees a fault from the
    /// first level from which on every level is at least 4 standard deviations of clean draws worse
    /// than clean images; it prefers the fault where a level is as much better.
    Sensitivity(SensitivityArgs),
    /// Say which metric orders runs as the truth does, over runs on shapes
    ///
    /// The modes of shapes are known, so some metrics know what a run really makes. Each other
    /// metric is held against them over many runs by Kendall's rank correlation, with intervals.
    Agreement(AgreementArgs),
    /// Say whether numbers moved since a baseline: exit code 0 no, 3 yes, 4 not comparable
    ///
    /// FILE is a guard file (of probe or --update), a results.parquet or results.csv of reproduce,
    /// or a CSV of your own: columns name, value and perhaps seed, ci_low, ci_high (a 95 %
    /// interval), tolerance (relative); any other column tells values apart. DIR holds results and
    /// probe.parquet.
    ///
    /// Values of fixed images (1e-6), of first steps (1e-4, behind the first update 1e-3) and of
    /// the end of short runs (3e-3) have relative tolerances. Where one build made both sides on
    /// one kind of machine, their bits must be the same; if they are not, that is a finding of its
    /// own. So is a best checkpoint that is not the lowest point of its curve.
    ///
    /// Trained scores are judged by noise: pooled over all methods and data sets, over each data
    /// set, over each method, and method by method on each data set, where a fall counts as well as
    /// a rise. Each seed is shown. Give at least two seeds: then no single run raises the alarm.
    /// Ratios such as FID's are compared by their logarithms. Runs whose last FID is above twice
    /// their best collapsed: they are counted, and their final scores are not judged. Scores that
    /// are the same for most seeds of the baseline have no noise to judge by: the runs that have
    /// another value are counted. All tests together give a false alarm in 1 % of comparisons of
    /// unchanged scores. The points of the curve are left out, as are data sets and seeds that the
    /// candidate has nothing of (with a note).
    ///
    /// The least move that would have been seen stands beside each value and pooled score.
    ///
    /// Exit codes: 0 within, 3 drift, or the same build made other bits, 4 something is not
    /// comparable (another protocol, counts, extractor or its hash, data set hash or plan, rows
    /// missing, no noise to judge by) and nothing drifted, 5 all is within, but --min-power asks
    /// for more than the guard can see, 1 failed, 64 wrong usage.
    Drift(DriftArgs),
    /// Download weights or a data set ahead of their use
    Fetch(FetchArgs),
    /// Train the first steps of a run again and measure it again: what differs?
    Verify(VerifyArgs),
    /// Hold an extractor against the published check values
    VerifyExtractor(VerifyExtractorArgs),
    /// Work on a kept experiment, go on where it stopped, and judge the claims it is about
    Kept(KeptArgs),
    /// Measure finished runs under another extractor, as rows of their own
    Remeasure(RemeasureArgs),
    /// Make tables and plots anew from finished runs
    Report(ReportArgs),
    /// List what there is
    List(ListArgs),
    /// The embedded small feature extractors
    Extractor {
        #[command(subcommand)]
        command: ExtractorCommand,
    },
    /// How fast training is here, alone and beside another framework
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
pub enum ExtractorCommand {
    /// Train a small extractor on a data set
    Train(TrainExtractorArgs),
}

/// What every command that computes takes; none of it changes a result.
#[derive(Debug, Clone, Args)]
pub struct MachineArgs {
    /// Folder that holds <DATASET>/ (else $GANBENCH_DATA, the hub cache, the hub)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Weights of the extractor: a file (.pth, .safetensors), or made:SEED for tests
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    /// cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// What training changes of a data set.
#[derive(Debug, Clone, Default, Args)]
pub struct DatasetArgs {
    /// Side of the images: the square in the middle of each image of a folder, resized (Lanczos)
    /// [default: as they are, all of one size]
    #[arg(long, value_name = "PIXELS")]
    pub image_size: Option<usize>,
    /// What tables and files call a folder:PATH [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    pub dataset_name: Option<String>,
    /// Leave damaged images of a folder out, and count them in the plan; without it they are named
    /// and nothing is trained
    #[arg(long)]
    pub skip_damaged: bool,
}

impl DatasetArgs {
    /// As `--set` has them.
    pub fn assignments(&self) -> Vec<String> {
        let size = self.image_size.map(|size| format!("dataset.image_size={size}"));
        let name = self.dataset_name.clone().map(toml::Value::String);
        let name = name.map(|name| format!("dataset.called={name}"));
        let skip = self.skip_damaged.then(|| "dataset.skip_damaged=true".to_string());
        size.into_iter().chain(name).chain(skip).collect()
    }
}

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The table: see `ganbench list tables`
    pub table: String,
    /// Data set: shapes, cifar10, mnist or folder:PATH [default: the table's]
    #[arg(long)]
    pub dataset: Option<String>,
    #[command(flatten)]
    pub data_set: DatasetArgs,
    /// Methods, by comma [default: the table's]
    #[arg(long, value_delimiter = ',')]
    pub methods: Option<Vec<String>>,
    /// Seeds, by comma [default: the table's]
    #[arg(long, value_delimiter = ',')]
    pub seeds: Option<Vec<u64>>,
    /// UNIT=AMOUNT with unit g_steps, real_kimg, d_kforwards, tflops, cpu_s or train_minutes; or
    /// smoke, or paper
    #[arg(long)]
    pub budget: Option<String>,
    #[arg(long)]
    pub batch: Option<usize>,
    /// Width of the networks
    #[arg(long)]
    pub width: Option<usize>,
    /// Pairs of networks of the table, by comma [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub networks: Option<Vec<String>>,
    /// Architecture: see `ganbench list architectures`
    #[arg(long)]
    pub architecture: Option<String>,
    /// Feature extractor [default: the data set's small one]
    #[arg(long)]
    pub extractor: Option<String>,
    /// Generated images behind the final rows
    #[arg(long, value_name = "N")]
    pub n_fake: Option<usize>,
    /// Any other value of the plan
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of runs, results and report [default: runs/TABLE-DATASET]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the plans with estimated time and memory, and train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Each method with the head of its own preset, where the table gives all rows the same head
    #[arg(long)]
    pub own_heads: bool,
    /// The row that all others are compared with [default: the first]
    #[arg(long, value_name = "ROW")]
    pub reference: Option<String>,
    /// Leave out the anchors: real images and an untrained generator, measured as the final rows
    #[arg(long)]
    pub no_anchors: bool,
    /// Print the final rows as JSON lines instead of the table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A recipe: any part of a plan, with `method`; what it leaves out is table1's
    /// [default with --from: that run's plan.toml]
    #[arg(required_unless_present = "from")]
    pub recipe: Option<PathBuf>,
    /// Train this finished run further: begin with its last state, under a larger budget
    #[arg(long, value_name = "RUN")]
    pub from: Option<PathBuf>,
    /// Instead of the recipe's, such as real_kimg=80
    #[arg(long, value_name = "UNIT=AMOUNT")]
    pub budget: Option<Budget>,
    #[command(flatten)]
    pub dataset: DatasetArgs,
    /// Change a value of the plan, such as train.batch=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The run's folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print the final rows as JSON lines
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// A run's folder
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// How many images
    #[arg(long, default_value_t = 64)]
    pub n: usize,
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// One class only, of a conditional run
    #[arg(long)]
    pub class: Option<u32>,
    /// Truncation: of w towards its mean (StyleGAN2), of a normal z at ± PSI (others)
    #[arg(long, value_name = "PSI")]
    pub truncation: Option<f64>,
    /// last, best, or a number of kimg
    #[arg(long, default_value = "last")]
    pub checkpoint: String,
    /// The live weights instead of the averaged ones
    #[arg(long)]
    pub raw: bool,
    /// FILE.npz (uint8 arr_0 [N, H, W, C] and labels), or a folder of PNG files
    #[arg(long, value_name = "FILE.npz|DIR")]
    pub out: PathBuf,
    /// cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    #[arg(long)]
    pub threads: Option<usize>,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder that holds runs, or a results.parquet or results.csv (tables and scores only)
    #[arg(long, value_name = "DIR|FILE")]
    pub runs: PathBuf,
    /// Folder of the results and the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The row that all others are compared with [default: the first]
    #[arg(long, value_name = "ROW")]
    pub reference: Option<String>,
    /// Leave out the anchors that `reproduce` measured
    #[arg(long)]
    pub no_anchors: bool,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    pub what: Listed,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Listed {
    Methods,
    Losses,
    Architectures,
    Datasets,
    Extractors,
    Metrics,
    Protocols,
    Tables,
    /// What papers and repositories print, with its protocol
    Reported,
}
