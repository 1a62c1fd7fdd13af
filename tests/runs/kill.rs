use std::path::Path;
use std::time::{Duration, Instant};

use ganbench_data::rng::Stream;

use super::{assert_same, names, run_of, sixty_steps, start_with_log};
use crate::program::{ok, strs};

/// When a process is killed.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// While a state or a generator is being written.
    Checkpoint,
    /// While a point of the curve is being measured.
    Evaluation,
    /// While tables, plots and result files are being written.
    Results,
}

/// What the files say a kill hit.
#[derive(Debug, Default)]
struct Hits {
    checkpoint: usize,
    evaluation: usize,
    results: usize,
    elsewhere: usize,
}

impl Hits {
    fn all(&self) -> usize {
        self.checkpoint + self.evaluation + self.results + self.elsewhere
    }
}

fn unfinished(folder: &Path) -> bool {
    !names(folder, |name| name.starts_with('.')).is_empty()
}

/// Points of the curve that were kept, and those of them that were measured.
fn points(out: &Path) -> (usize, usize) {
    let runs = out.join("runs");
    let Some(run) = names(&runs, |_| true).first().map(|name| runs.join(name)) else {
        return (0, 0);
    };
    let kept = names(&run.join("checkpoints"), |name| name.starts_with("raw-")).len();
    let scores = std::fs::read_to_string(run.join("scores.jsonl")).unwrap_or_default();
    let points = scores.lines().filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        row["checkpoint"].as_str()?.parse::<f64>().is_ok().then(|| row["checkpoint"].to_string())
    });
    (kept, points.collect::<std::collections::BTreeSet<_>>().len())
}

fn in_checkpoint(out: &Path) -> bool {
    let runs = out.join("runs");
    names(&runs, |_| true).iter().any(|run| unfinished(&runs.join(run).join("checkpoints")))
}

/// Starts the sweep and kills it at the moment; false if it ended before.
fn killed_at(moment: Moment, args: &[String], out: &Path) -> bool {
    let started = Instant::now();
    let mut child = start_with_log(args, &out.with_extension("log"));
    loop {
        let due = match moment {
            Moment::After(time) => started.elapsed() >= time,
            Moment::Checkpoint => in_checkpoint(out),
            Moment::Evaluation => {
                let (kept, measured) = points(out);
                kept > measured
            }
            Moment::Results => unfinished(out) || unfinished(&out.join("plots")),
        };
        if due {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(out.with_extension("log")).unwrap();
            assert!(status.success(), "the run failed: {log}");
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Twenty kills or more, each run gone on with until it ends, then held against one that was never
/// stopped.
#[test]
fn runs_killed_at_any_moment_end_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let started = Instant::now();
    ok(&strs(&sixty_steps("contrad", &whole)));
    let whole_time = started.elapsed();

    let mut stream = Stream::new(0, "test/kills");
    let (mut hits, mut runs) = (Hits::default(), 0);
    let enough = |hits: &Hits| {
        hits.all() >= 20 && hits.checkpoint >= 2 && hits.evaluation >= 2 && hits.results >= 1
    };
    while !enough(&hits) {
        assert!(hits.all() < 200, "a kind of moment is never met: {hits:?}");
        let out = dir.path().join(format!("killed-{runs}"));
        let args = sixty_steps("contrad", &out);
        loop {
            let moment = match stream.below(5) {
                0 => Moment::Checkpoint,
                1 => Moment::Evaluation,
                2 => Moment::Results,
                _ => Moment::After(whole_time.mul_f64(stream.uniform())),
            };
            if !killed_at(moment, &args, &out) {
                break;
            }
            let (kept, measured) = points(&out);
            if in_checkpoint(&out) {
                hits.checkpoint += 1;
            } else if unfinished(&out) || unfinished(&out.join("plots")) {
                hits.results += 1;
            } else if kept > measured {
                hits.evaluation += 1;
            } else {
                hits.elsewhere += 1;
            }
        }
        ok(&strs(&args));
        let what = format!("run {runs} after {hits:?}");
        assert_same(&run_of(&whole), &run_of(&out), &what);
        assert_same(&whole, &out, &what);
        runs += 1;
    }
    println!("{} kills ({hits:?}) in {runs} runs, all identical", hits.all());
}
