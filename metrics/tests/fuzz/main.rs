//! Damaged files through every reader: an error or a result, no panic, and no more memory than
//! stated.
//!
//! Here rather than in `baselines`, since the tests of `metrics` may use both crates. The seeds are
//! made by `../fuzz-seeds/make.py`. Weights have their own test beside their reader.

/// Counts allocated bytes.
mod allocator;
/// Damage to bytes of any kind.
mod damage;
/// How much is done in one run.
mod factor;
/// Features and statistics.
mod features;
/// Sources of images, and single images.
mod images;
/// Damage that follows the structure of a kind of file.
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

use ganbench_data::rng::Stream;

/// Damaged files each reader is given.
const INPUTS: usize = 100_000;
const MIB: usize = 1 << 20;

/// One test at a time, since the allocator counts for the whole process.
static ONE: Mutex<()> = Mutex::new(());

/// Gives `inputs` damaged forms of `seeds` to `read`, which says whether it took them. Fails where
/// that panics, holds more than `bytes` at once, or takes none or all of them.
fn fuzz(name: &str, seeds: &[&[u8]], inputs: usize, bytes: usize, read: impl Fn(Vec<u8>) -> bool) {
    for seed in seeds {
        assert!(read(seed.to_vec()), "{name}: a seed is refused");
    }
    let damage = |stream: &mut Stream| damage::damaged(seeds, stream);
    fuzz_with(name, inputs, bytes, damage, read);
}

/// As [`fuzz`], of inputs that `damage` makes.
fn fuzz_with(
    name: &str,
    inputs: usize,
    bytes: usize,
    damage: impl Fn(&mut Stream) -> Vec<u8>,
    read: impl Fn(Vec<u8>) -> bool,
) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    quieten_caught_panics();
    let inputs = inputs * factor::factor();
    let mut stream = Stream::new(0, name);
    let (mut taken, mut most_held) = (0, 0);
    for i in 0..inputs {
        let damaged = damage(&mut stream);
        let before = allocator::start();
        let result = catch_unwind(AssertUnwindSafe(|| read(damaged)));
        let held = allocator::peak().saturating_sub(before);
        assert!(held <= bytes, "{name}: input {i} held {held} bytes");
        most_held = most_held.max(held);
        taken += usize::from(result.unwrap_or_else(|_| panic!("{name}: input {i} panicked")));
    }
    assert!(taken > 0 && taken < inputs, "{name}: {taken} of {inputs} were taken");
    let most_held_kib = most_held.div_ceil(1 << 10);
    println!("fuzz: {name}: {inputs} inputs, {taken} taken, at most {most_held_kib} KiB held");
}

/// Leaves out the reports of panics that readers catch and make errors: they would drown the test's
/// own.
fn quieten_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let in_polars = panic.location().is_some_and(|at| at.file().contains("/polars-"));
            let thread = std::thread::current();
            let is_polars = thread.name().is_some_and(|name| name.starts_with("polars-"));
            if !ganbench_files::panics::is_caught() && !in_polars && !is_polars {
                report(panic);
            }
        }));
    });
}
