//! Two or more threads that wait by spinning.
//!
//! One token takes some 150 parallel stages of about 20 µs each. Waking a sleeping thread costs as
//! much as such a stage, so the workers spin between stages, and sleep only when no stage has come
//! for a while.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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
    /// Number of the job, whether it still takes workers, and how many are at it: see [`Gate`].
    gate: CacheLine<AtomicU64>,
    /// The current job; written only while the gate is shut and nobody is inside.
    job: UnsafeCell<Option<*const Job<'static>>>,
    panicked: AtomicBool,
    closing: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

/// What [`Shared::gate`] holds: bits 0 to 15 count the workers inside, bit 16 says that no more may
/// enter, the rest is the job's number.
///
/// A worker that is held up by another process never enters, and the caller, who has done all the
/// work by then, shuts the gate and goes on without it.
struct Gate;

impl Gate {
    const INSIDE: u64 = 0xffff;
    const SHUT: u64 = 1 << 16;
    const JOB: u64 = 1 << 17;

    fn job(gate: u64) -> u64 {
        gate / Self::JOB
    }
}

/// Keeps the gate off the cache lines of its neighbours.
#[repr(align(128))]
struct CacheLine<T>(T);

// SAFETY: `job` is written by the caller that holds `turn` while the gate is shut and empty, and
// read by workers inside the gate only, whose entry (acquire) comes after its opening (release);
// the pointer's target is `Sync`, and outlives the job because `run` returns only when the gate is
// shut and empty again.
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
            gate: CacheLine(AtomicU64::new(Gate::SHUT)),
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

    /// Calls `job` with every item, each on one of the threads.
    pub(crate) fn for_each<T: Send>(&self, items: &mut [T], job: &(dyn Fn(&mut T) + Sync)) {
        struct Start<T>(*mut T);
        // SAFETY: the items may be sent to other threads, and no two threads get the same one.
        unsafe impl<T: Send> Sync for Start<T> {}
        let start = Start(items.as_mut_ptr());
        let start = &start;
        let grain = items.len().div_ceil(2 * self.threads());
        self.for_ranges(items.len(), grain, &|range| {
            // SAFETY: ranges lie inside the slice and do not overlap; `items` is borrowed until all
            // have been visited.
            let own =
                unsafe { std::slice::from_raw_parts_mut(start.0.add(range.start), range.len()) };
            own.iter_mut().for_each(job);
        });
    }

    /// Runs `job` once on the caller's thread and on every worker that comes before it is done.
    ///
    /// The job must therefore share out its work by itself.
    fn run(&self, job: &Job<'_>) {
        let _turn = ignore_poison(self.turn.lock());
        let shared = &*self.shared;
        let job_pointer: *const Job<'_> = job;
        // SAFETY: only the lifetime changes; the pointer is not used after this function returns.
        let job_pointer: *const Job<'static> = unsafe { std::mem::transmute(job_pointer) };
        // SAFETY: the gate is shut and empty: `turn` is ours, and its last holder left it so.
        unsafe { *shared.job.get() = Some(job_pointer) };
        let gate = &shared.gate.0;
        let next = Gate::job(gate.load(Ordering::Relaxed)) + 1;
        gate.store(next * Gate::JOB, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _lock = ignore_poison(shared.lock.lock());
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(job));
        gate.fetch_or(Gate::SHUT, Ordering::AcqRel);
        let mut spins = 0;
        while gate.load(Ordering::Acquire) & Gate::INSIDE > 0 {
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
        while let Some(job) = self.wait_for_job(seen) {
            seen = job;
            if !self.enter(job) {
                continue;
            }
            // SAFETY: we are inside the gate, so the job stays until we leave.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job {
                // SAFETY: `run` keeps the closure alive until the gate is empty.
                let call = AssertUnwindSafe(|| unsafe { (*job)() });
                if catch_unwind(call).is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
            }
            self.gate.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Enters the gate if it is open for `job`.
    fn enter(&self, job: u64) -> bool {
        let enter =
            |gate: u64| (Gate::job(gate) == job && gate & Gate::SHUT == 0).then_some(gate + 1);
        self.gate
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter)
            .is_ok()
    }

    /// Waits for a job after number `seen` and returns its number; `None` when the pool closes.
    fn wait_for_job(&self, seen: u64) -> Option<u64> {
        let newer = |ordering| {
            let job = Gate::job(self.gate.0.load(ordering));
            (job != seen).then_some(job)
        };
        for _ in 0..SPINS_BEFORE_SLEEP {
            if let Some(job) = newer(Ordering::Acquire) {
                return Some(job);
            }
            if self.closing.load(Ordering::Relaxed) {
                return None;
            }
            std::hint::spin_loop();
        }
        let mut lock = ignore_poison(self.lock.lock());
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // The caller reads `sleepers` after it opens the gate, we read the gate after we raise
        // `sleepers`: one of the two sees the other.
        let woken = loop {
            if let Some(job) = newer(Ordering::SeqCst) {
                break Some(job);
            }
            if self.closing.load(Ordering::SeqCst) {
                break None;
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
    fn every_item_is_changed_once() {
        let pool = Pool::new(3).unwrap();
        for count in 0..40 {
            let mut items: Vec<usize> = (0..count).collect();
            pool.for_each(&mut items, &|item| *item = 2 * *item + 1);
            assert!(
                items
                    .iter()
                    .enumerate()
                    .all(|(index, &item)| item == 2 * index + 1)
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
