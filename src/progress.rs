//! How far a piece of work is. Nothing is shown unless a program says how, with [`show_with`].

use std::sync::OnceLock;
use std::time::Instant;

/// Shows one piece of work.
pub trait Display: Send {
    /// `share` in 0..=1; `text` is the rate and the time left.
    fn set(&mut self, share: f64, text: &str);

    /// The work is done; `text` says what came of it.
    fn finish(&mut self, text: &str);
}

/// Makes what shows a piece of work called `label`.
pub type NewDisplay = fn(label: &str) -> Box<dyn Display>;

static NEW_DISPLAY: OnceLock<NewDisplay> = OnceLock::new();

/// Has all progress from now on be shown. The first caller decides; false for any later one.
pub fn show_with(new: NewDisplay) -> bool {
    NEW_DISPLAY.set(new).is_ok()
}

/// One piece of work with a known end.
pub struct Progress {
    total: f64,
    started: Instant,
    offset: f64,
    display: Option<Box<dyn Display>>,
}

impl Progress {
    /// Work from 0 to `total`, in any unit. `quiet` shows nothing.
    pub fn new(label: impl Into<String>, total: f64, quiet: bool) -> Self {
        let new = NEW_DISPLAY.get().filter(|_| !quiet);
        let display = new.map(|new| new(&label.into()));
        Self { total, started: Instant::now(), offset: 0.0, display }
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
        let text = format!("{rate}{}", self.left(done));
        if let Some(display) = &mut self.display {
            display.set((done / self.total).clamp(0.0, 1.0), &text);
        }
    }

    /// Ends the work; a line stays.
    pub fn finish(self, outcome: &str) {
        let took = duration(self.started.elapsed().as_secs_f64());
        if let Some(mut display) = self.display {
            display.finish(&format!("{outcome} in {took}"));
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
