//! What a command sets for the whole process before it works, and how it ran. The library does none
//! of this: whoever calls it has threads, an allocator and panics of their own.

use anyhow::{Context as _, Result};

use super::arguments::MachineArgs;
use crate::machine::{self, UsageError};
use crate::plan::Plan;
use crate::run::folder::{Provenance, commit};
use crate::run::session::Surroundings;

/// More than the cores of any machine here; each thread takes memory of its own.
const MOST_THREADS: usize = 1024;

/// Threads, device and places, from the command line, for training by these plans.
pub fn surroundings<'a>(
    args: &MachineArgs,
    plans: impl IntoIterator<Item = &'a Plan>,
) -> Result<(Surroundings, usize)> {
    if plans.into_iter().any(|plan| plan.train.parts.second_order()) {
        keep_gradients_on_the_tape();
    }
    let threads = set_threads(args.threads)?;
    let at = Surroundings {
        data: args.data.clone(),
        weights: args.weights.clone(),
        device: machine::device(&args.device)?,
        quiet: args.quiet,
    };
    Ok((at, threads))
}

/// How this invocation runs.
pub fn provenance(args: &MachineArgs, threads: usize) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        command: command_line(),
        os: std::env::consts::OS.to_string(),
        arch: std::env::consts::ARCH.to_string(),
        cpu: machine::cpu_name(),
        simd: ganbench_nn::kernels::simd::isa().name().to_string(),
        threads,
        device: args.device.clone(),
        started_unix_s: machine::unix_s(),
        uneven_classes: None,
        trained_further_from: None,
    }
}

/// What was typed, without the folder that the program lies in. A word that is no UTF-8 (a path may
/// be any bytes) is shown as far as it is.
fn command_line() -> String {
    let typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("ganbench".to_string()).chain(typed).collect::<Vec<_>>().join(" ")
}

/// Sets the number of threads of every pool. Call before any other thread exists.
///
/// # Errors
/// If it is 0, or a pool already runs.
pub fn set_threads(threads: Option<usize>) -> Result<usize> {
    ganbench_nn::kernels::simd::wanted().map_err(UsageError)?;
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = match threads {
        Some(0) => return Err(UsageError("--threads is 0, expected at least 1".into()).into()),
        Some(n) if n > MOST_THREADS => {
            let text = format!("--threads is {n}, expected at most {MOST_THREADS}");
            return Err(UsageError(text).into());
        }
        Some(n) => n,
        None => available,
    };
    // candle's own pool for element-wise ops spins while it waits and fights rayon's workers for
    // the cores: it gets no threads. Its matrix products use rayon.
    let pools = [
        ("RAYON_NUM_THREADS", threads),
        ("POLARS_MAX_THREADS", threads),
        ("CANDLE_NUM_THREADS", 1),
    ];
    for (name, threads) in pools {
        // SAFETY: called first thing in main, while this is the only thread.
        unsafe { std::env::set_var(name, threads.to_string()) };
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("the thread pool could not be started")?;
    Ok(threads)
}

/// Has candle keep gradients on its tape, which losses that hold a gradient need. Costs memory, so
/// only they ask for it. Call before any other thread exists.
pub fn keep_gradients_on_the_tape() {
    // SAFETY: called before the threads are started, while this is the only one.
    unsafe { std::env::set_var(ganbench_nn::kernels::SWITCH, "1") };
}

/// Lets freed memory stay with the program: a training step frees and takes the same large buffers
/// over and over, and giving them back to the kernel each time costs more than the arithmetic.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Leaves out the panics of decoders: they panic on some damaged files, which is caught where files
/// are read and becomes an error, and their own report would stand before that. polars has threads
/// of its own. Some of its panics are located in the standard library ("capacity overflow"), hence
/// also its threads, which do nothing else.
pub fn quieten_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_caught = ganbench_files::panics::is_caught();
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
