//! Where the time of a training step goes, op by op.
//!
//! An op opens a [`Timer`] with [`time`] and drops it at its end. Between [`start`] and [`stop`]
//! every timer adds its self time, without the timers inside it on the same thread, so that the
//! times of all names add up to at most the wall time of the thread. Outside of that a timer costs
//! one relaxed atomic load.
//!
//! Timers belong around whole ops on the thread that calls them. Inside a piece of parallel work
//! they would add up the threads' times, and a thread that takes over another's piece while it
//! waits would count that piece to the wrong op.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static TABLE: Mutex<BTreeMap<&'static str, Total>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Time of the timers that ended inside the one that is open on this thread.
    static INNER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

#[derive(Clone, Copy, Default)]
struct Total {
    calls: u64,
    time: Duration,
}

/// What one name was given between [`start`] and [`stop`].
#[derive(Clone, Debug, PartialEq)]
pub struct OpTime {
    /// The op, as its timers are called.
    pub name: &'static str,
    /// How many timers of the name ended.
    pub calls: u64,
    /// Self time, without the timers inside.
    pub seconds: f64,
}

/// Adds the time of its life to its op.
#[must_use = "a timer measures until it is dropped"]
pub struct Timer {
    open: Option<Open>,
    /// The bookkeeping is the thread's: a timer has to end where it began.
    _on_one_thread: PhantomData<*const ()>,
}

struct Open {
    name: &'static str,
    started: Instant,
    /// What [`INNER`] held for the timer around this one.
    around: Duration,
}

/// Times `op` until the returned timer is dropped. Timers of one thread have to nest, as scopes do.
#[inline]
pub fn time(op: &'static str) -> Timer {
    let open = if ON.load(Ordering::Relaxed) { Some(Open::new(op)) } else { None };
    Timer { open, _on_one_thread: PhantomData }
}

/// Forgets what was measured before and begins anew.
pub fn start() {
    table().clear();
    ON.store(true, Ordering::Relaxed);
}

/// Ends the measurement. The slowest op comes first; timers that are still open are left out.
pub fn stop() -> Vec<OpTime> {
    ON.store(false, Ordering::Relaxed);
    let mut ops: Vec<OpTime> = std::mem::take(&mut *table())
        .into_iter()
        .map(|(name, t)| OpTime { name, calls: t.calls, seconds: t.time.as_secs_f64() })
        .collect();
    ops.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    ops
}

/// A panic between two additions leaves whole numbers, so a poisoned table is as good as any.
fn table() -> MutexGuard<'static, BTreeMap<&'static str, Total>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    #[cold]
    fn new(name: &'static str) -> Self {
        Self { name, started: Instant::now(), around: INNER.replace(Duration::ZERO) }
    }

    #[cold]
    fn close(&self) {
        let elapsed = self.started.elapsed();
        let inside = INNER.replace(self.around + elapsed);
        if ON.load(Ordering::Relaxed) {
            let mut table = table();
            let total = table.entry(self.name).or_default();
            total.calls += 1;
            total.time += elapsed.saturating_sub(inside);
        }
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table is one for the process: these tests take turns. Other tests' ops may be in it too.
    static TURN: Mutex<()> = Mutex::new(());

    fn measured(work: impl FnOnce()) -> (Vec<OpTime>, f64) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        start();
        let started = Instant::now();
        work();
        let wall = started.elapsed().as_secs_f64();
        (stop(), wall)
    }

    fn op(ops: &[OpTime], name: &str) -> OpTime {
        let found = ops.iter().find(|o| o.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in {ops:?}")).clone()
    }

    /// Takes at least so long, whatever the machine does meanwhile.
    fn work(ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    #[test]
    fn times_of_nested_timers_are_counted_once() {
        let (ops, wall) = measured(|| {
            let _outer = time("test-outer");
            for _ in 0..3 {
                let _inner = time("test-inner");
                let _innermost = time("test-innermost");
                work(2);
            }
        });
        let [outer, inner, innermost] =
            ["test-outer", "test-inner", "test-innermost"].map(|name| op(&ops, name));
        assert_eq!((outer.calls, inner.calls, innermost.calls), (1, 3, 3));
        // All the sleep is inside the innermost timer; were it in the outer ones too, the sum would
        // pass the wall time.
        assert!(innermost.seconds >= 0.006, "{innermost:?}");
        assert!(outer.seconds + inner.seconds + innermost.seconds <= wall, "{ops:?} in {wall} s");
    }

    #[test]
    fn time_after_an_inner_timer_belongs_to_the_outer_one() {
        let (ops, wall) = measured(|| {
            let _outer = time("test-around");
            drop(time("test-short"));
            work(2);
        });
        let (outer, inner) = (op(&ops, "test-around"), op(&ops, "test-short"));
        assert!(outer.seconds >= 0.002, "{outer:?}");
        assert!(outer.seconds + inner.seconds <= wall, "{ops:?} in {wall} s");
    }

    #[test]
    fn the_slowest_op_comes_first() {
        let (ops, _) = measured(|| {
            for name in ["test-a", "test-b", "test-c"] {
                let _timer = time(name);
                work(1);
            }
        });
        assert!(ops.is_sorted_by(|a, b| a.seconds >= b.seconds), "{ops:?}");
    }

    #[test]
    fn timers_outside_of_a_measurement_and_across_its_end_are_left_out() {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        drop(time("test-before"));
        start();
        let across = time("test-across");
        let ops = stop();
        drop(across);
        assert!(ops.iter().all(|o| !["test-before", "test-across"].contains(&o.name)), "{ops:?}");
        // The timer that was open is no part of what comes next.
        drop(turn);
        let (ops, wall) = measured(|| {
            let _timer = time("test-after");
            work(1);
        });
        assert!(ops.iter().all(|o| o.name != "test-across"), "{ops:?}");
        let after = op(&ops, "test-after").seconds;
        assert!((0.001..=wall).contains(&after), "{after} in {wall} s");
    }

    #[test]
    fn threads_keep_their_nesting_apart() {
        let (ops, wall) = measured(|| {
            let _outer = time("test-waits");
            let other = std::thread::spawn(|| {
                let _timer = time("test-other-thread");
                work(2);
            });
            other.join().unwrap();
        });
        // Waiting for another thread is the outer op's own time.
        let (outer, other) = (op(&ops, "test-waits"), op(&ops, "test-other-thread"));
        assert!(other.seconds <= outer.seconds && outer.seconds <= wall, "{ops:?} in {wall} s");
    }
}
