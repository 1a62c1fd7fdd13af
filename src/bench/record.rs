//! A comparison as it is printed and kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use ganbench_files::write_atomic;
use serde::Serialize;
use serde_json::Value;

use super::compare::{Round, Row, Settings, Work};
use super::spread::Spread;
use crate::machine;
use crate::run::folder::commit;

/// Everything of a comparison; no path of the machine is in it.
#[derive(Debug, Serialize)]
pub struct Record {
    /// UTC.
    pub date: String,
    /// Name of the benchmark, such as `train-step`.
    pub work: &'static str,
    /// Images of a training batch.
    pub batch: usize,
    /// Width parameter of the networks; None where no networks are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Version of ganbench that measured.
    pub version: &'static str,
    /// Commit of ganbench that measured.
    pub commit: String,
    /// Name of the processor.
    pub cpu: String,
    /// The most that other programs used during any one run, in cores. Their work slows both sides,
    /// and one whose threads spin while they wait many times more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_cores: Option<f64>,
    /// As each side counts them, of the first round.
    pub threads_ours: Value,
    /// As the peer counts them.
    pub threads_peer: Value,
    /// What the script calls its framework.
    pub peer: Value,
    /// Name of the peer's script, without its folder.
    pub peer_script: String,
    /// The figures, as the table prints them.
    pub rows: Vec<Row>,
    /// What each process measured.
    pub rounds: Vec<Round>,
}

impl Record {
    /// # Errors
    /// If the two sides did not measure the same ops.
    pub fn new(settings: &Settings, rounds: Vec<Round>) -> Result<Self> {
        let first = |of: fn(&Round) -> &Vec<Value>, key: &str| {
            let line = rounds.first().and_then(|round| of(round).first());
            line.and_then(|line| line.get(key)).cloned().unwrap_or(Value::Null)
        };
        Ok(Self {
            date: today(),
            work: settings.work.name(),
            batch: settings.batch,
            width: match settings.work {
                Work::TrainStep { width, .. } => Some(width),
                Work::Ops { .. } | Work::Eval { .. } => None,
            },
            version: env!("CARGO_PKG_VERSION"),
            commit: commit(),
            cpu: machine::cpu_name(),
            others_cores: rounds
                .iter()
                .flat_map(|round| [&round.ours, &round.peer])
                .filter_map(|measurement| measurement.others_cores)
                .reduce(f64::max),
            threads_ours: first(|round| &round.ours.lines, "threads"),
            threads_peer: first(|round| &round.peer.lines, "threads"),
            peer: first(|round| &round.peer.lines, "peer"),
            peer_script: settings.script_name(),
            rows: settings.rows(&rounds)?,
            rounds,
        })
    }

    /// What the table is of, in one line.
    fn caption(&self) -> String {
        let width = self.width.map_or(String::new(), |width| format!(", width {width}"));
        format!(
            "{}{width}, batch {}; {} rounds in alternation, median (least to greatest of the rounds); \
             ratio: ours over the peer's, below 1 is faster or smaller",
            self.work,
            self.batch,
            self.rounds.len()
        )
    }

    fn sides(&self) -> String {
        let peer = self.peer.as_str().unwrap_or("unnamed");
        let others = self
            .others_cores
            .map_or(String::new(), |cores| format!("; others used up to {cores:.2} cores"));
        format!(
            "ours: ganbench {} ({}), {} threads; peer: {peer} ({}), {} threads; {}{others}",
            self.version,
            self.commit,
            self.threads_ours,
            self.peer_script,
            self.threads_peer,
            self.cpu
        )
    }

    /// An aligned table.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        let mut text = format!("{}\n{}\n\n", self.caption(), self.sides());
        let _ = writeln!(text, "{:<width$}  {:>28}  {:>28}  {:>20}", "", "ours", "peer", "ratio");
        for row in &self.rows {
            let (ours, peer, ratio) = cells(row);
            let _ = writeln!(text, "{:<width$}  {ours:>28}  {peer:>28}  {ratio:>20}", row.what);
        }
        text
    }

    /// The table as a page of Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# {} beside a peer, {}\n\n{}.\n\n{}.\n\n| | ours | peer | ratio |\n|---|---|---|---|\n",
            self.work,
            self.date,
            self.caption(),
            self.sides()
        );
        for row in &self.rows {
            let (ours, peer, ratio) = cells(row);
            let _ = writeln!(text, "| {} | {ours} | {peer} | {ratio} |", row.what);
        }
        text
    }

    /// Writes `<date>-<name>.json` with every round, and `.md`; returns both.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, dir: &Path, name: &str) -> Result<[PathBuf; 2]> {
        let path = |ending: &str| dir.join(format!("{}-{name}.{ending}", self.date));
        let paths = [path("json"), path("md")];
        let json = serde_json::to_string_pretty(self)? + "\n";
        write_atomic(&paths[0], json.as_bytes())?;
        write_atomic(&paths[1], self.markdown().as_bytes())?;
        Ok(paths)
    }
}

fn cells(row: &Row) -> (String, String, String) {
    let cell = |s: &Spread, digits: usize| {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", s.median, s.min, s.max)
    };
    let digits = |least: f64| match least {
        ..0.1 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let both = digits(row.ours.min.min(row.peer.min));
    (cell(&row.ours, both), cell(&row.peer, both), cell(&row.ratio, digits(row.ratio.min)))
}

/// The date of now as `YYYY-MM-DD`, UTC.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(now.as_secs() / 86_400)
}

/// The date of a day counted from 1970-01-01.
fn date(mut day: u64) -> String {
    let mut year = 1970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        // date -u -d @$((86400 * DAY)) +%F
        for (day, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(day), expected);
        }
    }

    #[test]
    fn small_numbers_keep_their_digits() {
        let of = |v: f64| Spread { median: v, min: v, max: v };
        let row = |v| Row { what: "op".into(), ours: of(v), peer: of(2.0 * v), ratio: of(0.5) };
        assert_eq!(cells(&row(0.0123)).0, "0.012 (0.012 to 0.012)");
        assert_eq!(cells(&row(1234.5)).1, "2469 (2469 to 2469)");
        assert_eq!(cells(&row(3.0)).2, "0.50 (0.50 to 0.50)");
    }
}
