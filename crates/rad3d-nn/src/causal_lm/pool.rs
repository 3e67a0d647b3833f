//! Two or more threads that wait by spinning.
//!
//! One token takes some 150 parallel stages of about 20 µs each. Waking a sleeping thread costs as
//! much as such a stage, so the workers spin between stages, and sleep only when no stage has come
//! for a while.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::{Fault, NnError, Result};

/// Rounds of spinning before a worker sleeps: some tens of microseconds to a millisecond.
const SPINS_BEFORE_SLEEP: u32 = 20_000;
/// Rounds of spinning before the caller lets other processes run.
const SPINS_BEFORE_YIELD: u32 = 2_000;

type Job<'a> = dyn Fn() + Sync + 'a;

/// A fixed set of threads that run one job together, over and over.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a job runs: the pool serves one caller at a time.
    turn: Mutex<()>,
}

struct Shared {
    /// Number of jobs published so far.
    epoch: CacheLine<AtomicUsize>,
    /// Workers that have not finished the current job.
    busy: CacheLine<AtomicUsize>,
    /// The current job; written only while no worker is busy.
    job: UnsafeCell<Option<*const Job<'static>>>,
    panicked: AtomicBool,
    closing: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

/// Keeps two counters off one cache line, which the threads would otherwise fight over.
#[repr(align(128))]
struct CacheLine<T>(T);

// SAFETY: `job` is written by the caller that holds `turn` while `busy` is 0, and read by workers
// only between the publication of an epoch (release) and their decrement of `busy`; the pointer's
// target is `Sync`, and outlives the job because `run` returns only when `busy` is 0 again.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Pool {
    /// A pool of `threads` threads, of which the caller's is one.
    ///
    /// # Errors
    /// [`Fault::Device`] if the system starts no more threads.
    pub(crate) fn new(threads: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            epoch: CacheLine(AtomicUsize::new(0)),
            busy: CacheLine(AtomicUsize::new(0)),
            job: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
            turn: Mutex::new(()),
        };
        for number in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = thread::Builder::new()
                .name(format!("rad3d-lm-{number}"))
                .spawn(move || shared.work())
                .map_err(|error| {
                    let hint = "ask for fewer threads";
                    NnError::new(Fault::Device, "threads", "cannot start a thread", hint)
                        .because(error)
                })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Number of threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job` with ranges that cover `0..items` once, each at most `grain` long.
    ///
    /// Which thread gets which range varies; a job must not depend on it.
    pub(crate) fn for_ranges(
        &self,
        items: usize,
        grain: usize,
        job: &(dyn Fn(Range<usize>) + Sync),
    ) {
        let grain = grain.max(1);
        if self.workers.is_empty() || items <= grain {
            if items > 0 {
                job(0..items);
            }
            return;
        }
        let next = AtomicUsize::new(0);
        self.run(&|| {
            loop {
                let start = next.fetch_add(grain, Ordering::Relaxed);
                if start >= items {
                    break;
                }
                job(start..items.min(start + grain));
            }
        });
    }

    /// Runs `job` once on every thread and waits for all.
    fn run(&self, job: &Job<'_>) {
        let _turn = ignore_poison(self.turn.lock());
        let shared = &*self.shared;
        let job_pointer: *const Job<'_> = job;
        // SAFETY: only the lifetime changes; the pointer is not used after this function returns.
        let job_pointer: *const Job<'static> = unsafe { std::mem::transmute(job_pointer) };
        // SAFETY: no worker is busy (`turn` is ours, and the previous holder waited).
        unsafe { *shared.job.get() = Some(job_pointer) };
        shared.busy.0.store(self.workers.len(), Ordering::Relaxed);
        shared.epoch.0.fetch_add(1, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _lock = ignore_poison(shared.lock.lock());
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(job));
        let mut spins = 0;
        while shared.busy.0.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins > SPINS_BEFORE_YIELD {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        let worker_panicked = shared.panicked.swap(false, Ordering::Relaxed);
        match own {
            Err(payload) => resume_unwind(payload),
            Ok(()) if worker_panicked => resume_unwind(Box::new("a worker thread panicked")),
            Ok(()) => {}
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        {
            let _lock = ignore_poison(self.shared.lock.lock());
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker catches its panics, so there is nothing to learn from the result.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut seen = 0;
        while self.wait_for_job(seen) {
            seen += 1;
            // SAFETY: the epoch was published after the job, and the job stays until `busy` is 0.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job {
                // SAFETY: `run` keeps the closure alive until `busy` is 0.
                let call = AssertUnwindSafe(|| unsafe { (*job)() });
                if catch_unwind(call).is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
            }
            self.busy.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until more than `seen` jobs were published; false when the pool closes.
    fn wait_for_job(&self, seen: usize) -> bool {
        for _ in 0..SPINS_BEFORE_SLEEP {
            if self.epoch.0.load(Ordering::Acquire) != seen {
                return true;
            }
            if self.closing.load(Ordering::Relaxed) {
                return false;
            }
            std::hint::spin_loop();
        }
        let mut lock = ignore_poison(self.lock.lock());
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // The caller reads `sleepers` after it raises the epoch, we read the epoch after we raise
        // `sleepers`: one of the two sees the other.
        let woken = loop {
            if self.epoch.0.load(Ordering::SeqCst) != seen {
                break true;
            }
            if self.closing.load(Ordering::SeqCst) {
                break false;
            }
            lock = ignore_poison(self.wake.wait(lock));
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        woken
    }
}

/// The locks guard no data, so a panic while one was held does no harm.
fn ignore_poison<'a>(
    guard: Result<MutexGuard<'a, ()>, PoisonError<MutexGuard<'a, ()>>>,
) -> MutexGuard<'a, ()> {
    guard.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_visited_once_over_many_jobs() {
        let pool = Pool::new(4).unwrap();
        for round in 0..2_000 {
            let items = round % 37;
            let visits: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            pool.for_ranges(items, 1 + round % 3, &|range| {
                for item in range {
                    visits[item].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(
                visits
                    .iter()
                    .all(|count| count.load(Ordering::Relaxed) == 1)
            );
        }
    }

    #[test]
    fn workers_that_fell_asleep_wake_up() {
        let pool = Pool::new(2).unwrap();
        for _ in 0..3 {
            thread::sleep(std::time::Duration::from_millis(20));
            let sum = AtomicUsize::new(0);
            pool.for_ranges(100, 1, &|range| {
                sum.fetch_add(range.sum(), Ordering::Relaxed);
            });
            assert_eq!(sum.load(Ordering::Relaxed), 4950);
        }
    }

    #[test]
    fn a_panic_in_a_job_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.for_ranges(64, 1, &|range| assert!(range.start != 63, "on purpose"));
        }));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.for_ranges(10, 1, &|range| {
            sum.fetch_add(range.sum(), Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 45);
    }

    #[test]
    fn two_callers_take_turns() {
        let pool = Pool::new(3).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        pool.for_ranges(20, 2, &|range| {
                            sum.fetch_add(range.sum(), Ordering::Relaxed);
                        });
                        assert_eq!(sum.load(Ordering::Relaxed), 190);
                    }
                });
            }
        });
    }
}
