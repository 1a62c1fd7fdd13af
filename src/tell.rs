//! Lines on stderr, and output whose reader has gone.

/// A line on stderr, as of `eprintln!`, which panics where nobody reads any more: of `ganbench train … 2>&1 | tee log`
/// Ctrl-C ends `tee` at once, and the step under way is still to be kept.
macro_rules! tell {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($line)*);
    }};
}

/// As of a program that SIGPIPE ended.
const UNREAD: i32 = 141;

/// Why `println!` panicked; none for other panics.
fn unwritten(message: &str) -> Option<&str> {
    message.strip_prefix("failed printing to stdout: ")
}

/// Ends the program without a word where the reader of its output has seen enough (`| head`), with a sentence and code
/// 1 where the output cannot be written (a full disk), and leaves out the
/// panics of decoders: they panic on some damaged files, which is caught where files are read and becomes an error, and
/// their own report would stand before that. polars has threads of its own. Some of its panics are located in the standard library ("capacity overflow"), hence also its
/// threads, which do nothing else.
pub fn quieten_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        match message.and_then(|message| unwritten(message)) {
            Some(reason) if reason.contains("Broken pipe") => std::process::exit(UNREAD),
            Some(reason) => {
                tell!("error: the output could not be written to stdout: {reason}");
                std::process::exit(1);
            }
            None => {}
        }
        let is_caught = ganbench_nn::panics::is_caught();
        let in_polars = panic.location().is_some_and(|at| at.file().contains("/polars-"));
        let thread = std::thread::current();
        if !is_caught
            && !in_polars
            && !thread.name().is_some_and(|name| name.starts_with("polars-"))
        {
            report(panic);
        }
    }));
}
