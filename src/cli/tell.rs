//! Lines on stdout and stderr: the two doors to the terminal. Names of files, classes, columns and
//! keys come through here, so hidden characters are written as their code.

use std::fmt::Arguments;
use std::io::Write as _;

use anyhow::Result;
use ganbench_reports::escape::{visible, visible_json, visible_lines};
use serde::Serialize;

use crate::measure::Outcome;

/// A line on stderr. Where nobody reads any more it is lost without a panic: of `ganbench train …
/// 2>&1 | tee log` Ctrl-C ends `tee` at once, and the step under way is still to be kept.
macro_rules! tell {
    ($($line:tt)*) => { $crate::cli::tell::to_stderr(format_args!($($line)*)) };
}

/// A line, or several, on stdout: a result. Where it cannot be written the program ends, see
/// [`to_stdout`].
macro_rules! say {
    ($($line:tt)*) => { $crate::cli::tell::to_stdout(format_args!($($line)*)) };
}

/// As of a program that SIGPIPE ended.
const UNREAD: i32 = 141;

/// What [`tell`] does.
pub fn to_stderr(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{}", visible_lines(&line.to_string()));
}

/// What [`say`] does. Ends the program without a word where the reader has seen enough (`| head`),
/// and with a sentence and code 1 where the output cannot be written (a full disk).
pub fn to_stdout(line: Arguments<'_>) {
    written(&visible_lines(&line.to_string()));
}

/// A result as JSON on one line of stdout.
///
/// # Errors
/// If it cannot be made JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    written(&visible_json(&serde_json::to_string(value)?));
    Ok(())
}

/// As [`json`], over several lines.
///
/// # Errors
/// As of [`json`].
pub fn json_pretty(value: &impl Serialize) -> Result<()> {
    written(&visible_json(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// What was measured: JSON on one line, or a table.
///
/// # Errors
/// As of [`json`].
pub fn show(outcome: &Outcome, as_json: bool) -> Result<()> {
    if as_json {
        return json(outcome);
    }
    say!("{}", outcome.text().trim_end());
    Ok(())
}

/// Text that a library made, such as completions and help: as it is.
pub fn raw(text: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    checked(stdout.write_all(text).and_then(|()| stdout.flush()));
}

fn written(text: &str) {
    let mut stdout = std::io::stdout().lock();
    checked(writeln!(stdout, "{text}").and_then(|()| stdout.flush()));
}

fn checked(outcome: std::io::Result<()>) {
    let Err(error) = outcome else { return };
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(UNREAD);
    }
    tell!("error: the output could not be written to stdout: {error}");
    std::process::exit(1);
}

/// Shows what the parser of the command line says: help on stdout, an error on stderr, where what
/// was typed may have come from the names of files (`--images *`).
pub fn parser(error: &clap::Error) {
    let text = error.render();
    if !error.use_stderr() {
        raw(text.to_string().as_bytes());
    } else if visible_lines(&text.to_string()) == text.to_string() {
        // In colour where that is wanted; a closed stderr is no reason to panic.
        let _ = error.print();
    } else {
        to_stderr(format_args!("{}", text.to_string().trim_end()));
    }
}

/// A name in a line of its own, such as the label of a bar.
pub fn name(text: &str) -> String {
    visible(text).into_owned()
}

/// Shows what the library logs: errors and warnings say so, anything else stands as it is.
struct Notices;

impl log::Log for Notices {
    /// Other libraries say nothing that a user of ganbench could act on.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("ganbench")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            log::Level::Error => tell!("error: {}", record.args()),
            log::Level::Warn => tell!("warning: {}", record.args()),
            _ => tell!("{}", record.args()),
        }
    }

    fn flush(&self) {}
}

/// Has the library's notices appear on stderr.
pub fn show_notices() {
    if log::set_logger(&Notices).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}
