//! Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tell;
use crate::progress::{Display, show_with};

/// Between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Ticks of a bar, whatever the unit.
const TICKS: u64 = 10_000;

/// Has all progress appear on stderr.
pub fn show_progress() {
    show_with(|label| {
        let label = tell::name(label);
        match std::io::stderr().is_terminal() {
            true => Box::new(Bar::new(label)),
            false => Box::new(Lines { label, last: Instant::now() }),
        }
    });
}

struct Bar {
    label: String,
    bar: ProgressBar,
}

impl Bar {
    fn new(label: String) -> Self {
        let bar = ProgressBar::new(TICKS);
        let style = "{prefix:<28} [{bar:30}] {percent:>3} % {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label.clone());
        Self { label, bar }
    }
}

impl Display for Bar {
    fn set(&mut self, share: f64, text: &str) {
        self.bar.set_position((share * TICKS as f64) as u64);
        self.bar.set_message(tell::name(text));
    }

    fn finish(&mut self, text: &str) {
        self.bar.finish_and_clear();
        tell!("{}: {text}", self.label);
    }
}

struct Lines {
    label: String,
    last: Instant,
}

impl Display for Lines {
    fn set(&mut self, share: f64, text: &str) {
        if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            tell!("{}: {:.0} % {text}", self.label, share * 100.0);
        }
    }

    fn finish(&mut self, text: &str) {
        tell!("{}: {text}", self.label);
    }
}
