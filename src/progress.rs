//! Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::tell;

/// One piece of work with a known end.
pub struct Progress {
    label: String,
    total: f64,
    started: Instant,
    offset: f64,
    bar: Option<ProgressBar>,
    last_line: Instant,
    lines: bool,
}

/// Between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Ticks of a bar, whatever the unit.
const TICKS: u64 = 10_000;

impl Progress {
    /// Work from 0 to `total`, in any unit. `quiet` shows nothing.
    pub fn new(label: impl Into<String>, total: f64, quiet: bool) -> Self {
        let label = tell::name(&label.into());
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::new(TICKS);
            let style = "{prefix:<28} [{bar:30}] {percent:>3} % {msg}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(label.clone());
            bar
        });
        let now = Instant::now();
        Self {
            label,
            total,
            started: now,
            offset: 0.0,
            bar,
            last_line: now,
            lines: !terminal && !quiet,
        }
    }

    /// Work that was done before the clock started.
    pub fn skip_to(&mut self, done: f64) {
        self.offset = done;
    }

    fn left(&self, done: f64) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let new = done - self.offset;
        if new <= 0.0 || elapsed < 0.5 {
            return String::new();
        }
        let left = (elapsed / new * (self.total - done)).max(0.0);
        format!(", {} left", duration(left))
    }

    /// `done` of the total; `rate` says how fast in the reader's unit.
    pub fn set(&mut self, done: f64, rate: &str) {
        let share = (done / self.total).clamp(0.0, 1.0);
        let message = format!("{rate}{}", self.left(done));
        if let Some(bar) = &self.bar {
            bar.set_position((share * TICKS as f64) as u64);
            bar.set_message(tell::name(&message));
        } else if self.lines && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            tell!("{}: {:.0} % {message}", self.label, share * 100.0);
        }
    }

    /// Ends the bar; a line stays.
    pub fn finish(self, outcome: &str) {
        let took = duration(self.started.elapsed().as_secs_f64());
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.bar.is_some() || self.lines {
            tell!("{}: {outcome} in {took}", self.label);
        }
    }
}

/// `3 h 20 min`, `4 min 10 s`, `7.2 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        assert_eq!(duration(7.24), "7.2 s");
        assert_eq!(duration(250.0), "4 min 10 s");
        assert_eq!(duration(12_000.0), "3 h 20 min");
    }
}
