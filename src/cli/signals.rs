//! Ctrl-C and SIGTERM.

use anyhow::Result;

#[cfg(unix)]
use crate::run::stop::Answer;
use crate::run::stop::Interrupt;

/// Takes the signals over for the rest of the process.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub fn watch() -> Result<Interrupt> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let interrupt = Interrupt::default();
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let watched = interrupt.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            answer(&watched, signal);
        }
    })?;
    Ok(interrupt)
}

/// Leaves the signals to the system, which ends the process: as safe, but a step under way is lost.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn watch() -> Result<Interrupt> {
    Ok(Interrupt::default())
}

#[cfg(unix)]
fn answer(interrupt: &Interrupt, signal: i32) {
    match interrupt.request(signal) {
        Answer::LeaveStep => {
            tell!("left; the last checkpoint stands, and the same command goes on from there");
        }
        Answer::FinishStep => {
            tell!("stopping after the step under way; once more leaves at once");
            return;
        }
        Answer::Leave => {
            tell!("stopped; everything done so far is kept, and the same command goes on");
        }
    }
    // Not by way of destructors, which would pull memory from under the threads at work.
    signal_hook::low_level::exit(exit_code(signal).into());
}

/// 128 and the signal's number, as shells report a process that a signal ended.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}
