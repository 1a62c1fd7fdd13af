//! This program and a script of another framework that does the same work, in alternation: each
//! round runs both as processes of their own, and the one that goes first changes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

use super::process;
use super::spread::Spread;

/// The work that both sides do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Steps of training the plain pair of networks.
    TrainStep {
        /// Width parameter of the networks.
        width: usize,
        /// Timed steps.
        steps: usize,
        /// Untimed steps before them.
        warmup: usize,
    },
    /// Single layers and operations, forwards and backwards.
    Ops {
        /// Timed repetitions of each op.
        repeat: usize,
    },
    /// The network and the metrics of an evaluation.
    Eval {
        /// Images of each size that go through Inception.
        images: usize,
        /// Features on each side.
        n: usize,
        /// Timed repetitions of each op.
        repeat: usize,
    },
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What both sides do.
    pub work: Work,
    /// Images of a training batch; an evaluation takes no notice of it.
    pub batch: usize,
    /// How often each side runs, in alternation.
    pub rounds: usize,
    /// Of both sides; none leaves each its default.
    pub threads: Option<usize>,
    /// What runs the script, such as `python3`.
    pub interpreter: PathBuf,
    /// The peer's script, which prints a line of JSON for each measurement.
    pub script: PathBuf,
}

/// What one process measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The lines of JSON that it printed.
    pub lines: Vec<Value>,
    /// Peak resident memory in 2^20 bytes; None where the system does not tell.
    pub peak_rss_mb: Option<f64>,
    /// Cores that other programs used meanwhile, on average.
    pub others_cores: Option<f64>,
}

/// One run of each.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Whether ganbench ran before the peer.
    pub ours_first: bool,
    /// What ganbench measured.
    pub ours: Measurement,
    /// What the peer measured.
    pub peer: Measurement,
}

/// One figure of both over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The op or variant with its pass, or the peak memory.
    pub what: String,
    /// The figure of ganbench.
    pub ours: Spread,
    /// The figure of the peer.
    pub peer: Spread,
    /// Ours over the peer's, round by round.
    pub ratio: Spread,
}

impl Work {
    /// The command's name, and that of its files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TrainStep { .. } => "train-step",
            Self::Ops { .. } => "ops",
            Self::Eval { .. } => "eval",
        }
    }

    /// The flags that both sides know.
    fn shared_flags(&self, batch: usize) -> Vec<String> {
        let flags = match self {
            Self::TrainStep { width, steps, warmup } => {
                vec![("--width", *width), ("--steps", *steps), ("--warmup", *warmup)]
            }
            Self::Ops { repeat } => vec![("--repeat", *repeat)],
            Self::Eval { images, n, repeat } => {
                vec![("--images", *images), ("--n", *n), ("--repeat", *repeat)]
            }
        };
        let batch = (!matches!(self, Self::Eval { .. })).then_some(("--batch", batch));
        let flags = batch.into_iter().chain(flags);
        flags.flat_map(|(flag, value)| [flag.to_string(), value.to_string()]).collect()
    }

    /// Whether a line of JSON is a measurement of this work.
    fn reads(&self, line: &Value) -> bool {
        let timed = ["median_ms", "min_ms"].iter().all(|key| positive(line, key).is_some());
        timed && (matches!(self, Self::TrainStep { .. }) || op_pass(line).is_some())
    }
}

impl Settings {
    /// Runs all rounds.
    ///
    /// # Errors
    /// If a side fails, prints no measurement, or measured other work.
    pub fn run(&self, told: &mut dyn FnMut(usize)) -> Result<Vec<Round>> {
        if !self.script.is_file() {
            bail!("--peer-script {} is no file", self.script.display());
        }
        let mut rounds = Vec::new();
        for i in 0..self.rounds {
            let ours_first = i % 2 == 0;
            let round = if ours_first {
                let ours = self.ours()?;
                Round { ours_first, ours, peer: self.peer()? }
            } else {
                let peer = self.peer()?;
                Round { ours_first, ours: self.ours()?, peer }
            };
            rounds.push(round);
            told(i + 1);
        }
        Ok(rounds)
    }

    /// A process of its own as the peer is, so that memory and start-up are comparable.
    fn ours(&self) -> Result<Measurement> {
        let program = std::env::current_exe().context("this program does not find itself")?;
        let mut command = Command::new(program);
        command
            .args(["bench", self.work.name(), "--json"])
            .args(self.work.shared_flags(self.batch));
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        self.measure(&mut command, "ganbench")
    }

    fn peer(&self) -> Result<Measurement> {
        let mut command = Command::new(&self.interpreter);
        command.arg(&self.script).args(self.work.shared_flags(self.batch));
        if let Some(threads) = self.threads {
            for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
                command.env(name, threads.to_string());
            }
        }
        self.measure(&mut command, &format!("the peer {}", self.script_name()))
    }

    /// Without its folder: records name no place of a machine.
    pub fn script_name(&self) -> String {
        self.script.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn measure(&self, command: &mut Command, name: &str) -> Result<Measurement> {
        let done = process::run(command, name)?;
        let lines: Vec<Value> = done
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line| self.work.reads(line))
            .collect();
        let Some(first) = lines.first() else {
            bail!("{name} printed no line of JSON with median_ms and min_ms above 0")
        };
        let asked = match self.work {
            Work::TrainStep { width, .. } => vec![("batch", self.batch), ("width", width)],
            Work::Ops { .. } => vec![("batch", self.batch)],
            Work::Eval { images, .. } => vec![("images", images)],
        };
        for (key, asked) in asked {
            if let Some(got) = first.get(key).and_then(Value::as_u64)
                && got != asked as u64
            {
                bail!("{name} measured {key} {got}, expected {asked}; does it read --{key}?");
            }
        }
        let (peak_rss_mb, others_cores) = (done.peak_rss_mb, done.others_cores);
        Ok(Measurement { lines, peak_rss_mb, others_cores })
    }

    /// The table of some rounds, a row a figure.
    ///
    /// # Errors
    /// If the peer left out an op.
    pub fn rows(&self, rounds: &[Round]) -> Result<Vec<Row>> {
        let mut rows = match (&self.work, rounds.first()) {
            (_, None) => Vec::new(),
            (Work::TrainStep { .. }, _) => train_step_rows(rounds),
            (Work::Ops { .. } | Work::Eval { .. }, Some(first)) => op_rows(rounds, first)?,
        };
        let memory = |m: &Measurement| m.peak_rss_mb.filter(|&mb| mb > 0.0);
        rows.extend(row("peak RSS, MB", rounds, &memory, &memory));
        Ok(rows)
    }
}

/// A row of what is found in every round on both sides.
fn row(
    what: &str,
    rounds: &[Round],
    of_ours: &dyn Fn(&Measurement) -> Option<f64>,
    of_peer: &dyn Fn(&Measurement) -> Option<f64>,
) -> Option<Row> {
    let ours = rounds.iter().map(|r| of_ours(&r.ours)).collect::<Option<Vec<f64>>>()?;
    let peer = rounds.iter().map(|r| of_peer(&r.peer)).collect::<Option<Vec<f64>>>()?;
    let ratio: Vec<f64> = ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect();
    let (ours, peer, ratio) =
        (Spread::from_values(&ours), Spread::from_values(&peer), Spread::from_values(&ratio));
    Some(Row { what: what.to_string(), ours, peer, ratio })
}

fn train_step_rows(rounds: &[Round]) -> Vec<Row> {
    let first = |key: &'static str| {
        move |m: &Measurement| m.lines.first().and_then(|line| positive(line, key))
    };
    let rows = [
        ("same work, median ms", "median_ms", "median_ms"),
        ("same work, minimum ms", "min_ms", "min_ms"),
        ("without D's gradients in the G step, median ms", "skip_median_ms", "median_ms"),
        ("without D's gradients in the G step, minimum ms", "skip_min_ms", "min_ms"),
    ];
    rows.iter().filter_map(|(what, o, p)| row(what, rounds, &first(o), &first(p))).collect()
}

/// A row for each of our ops and each of the peer's variants of it.
fn op_rows(rounds: &[Round], first: &Round) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (op, pass) in first.ours.lines.iter().filter_map(op_pass) {
        let same = |line: &&Value| op_pass(line) == Some((op, pass));
        let variants: Vec<Option<&str>> =
            first.peer.lines.iter().filter(same).map(variant).collect();
        if variants.is_empty() {
            bail!("the peer printed no line for \"{op}\", pass {pass}, which ours measured");
        }
        for wanted in variants {
            let of_ours = |m: &Measurement| {
                m.lines.iter().find(same).and_then(|line| positive(line, "median_ms"))
            };
            let of_peer = |m: &Measurement| {
                let line = m.lines.iter().filter(same).find(|line| variant(line) == wanted);
                line.and_then(|line| positive(line, "median_ms"))
            };
            let note = wanted.map_or(String::new(), |v| format!(" (peer {v})"));
            let what = format!("{op}, {pass}{note}, ms");
            rows.extend(row(&what, rounds, &of_ours, &of_peer));
        }
    }
    Ok(rows)
}

fn op_pass(line: &Value) -> Option<(&str, &str)> {
    Some((line.get("op")?.as_str()?, line.get("pass")?.as_str()?))
}

fn variant(line: &Value) -> Option<&str> {
    line.get("variant").and_then(Value::as_str)
}

fn positive(line: &Value, key: &str) -> Option<f64> {
    line.get(key)?.as_f64().filter(|v| v.is_finite() && *v > 0.0)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
