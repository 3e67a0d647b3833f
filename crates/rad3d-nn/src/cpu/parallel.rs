//! Scratch memory of the worker threads.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static PAIRS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` values with whatever content the last user left in it.
///
/// Each thread keeps its buffer, so that a task neither allocates nor touches fresh pages.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out while it is in use: work that itself asks for scratch gets another buffer.
    let mut buffer = SCRATCH.with(RefCell::take);
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(&mut buffer[..len]);
    SCRATCH.with(|slot| {
        if slot.borrow().len() < buffer.len() {
            slot.replace(buffer);
        }
    });
    result
}

/// As [`with_scratch`], for pairs of bfloat16.
pub(crate) fn with_pair_scratch<R>(len: usize, work: impl FnOnce(&mut [u32]) -> R) -> R {
    let mut buffer = PAIRS.with(RefCell::take);
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let result = work(&mut buffer[..len]);
    PAIRS.with(|slot| slot.replace(buffer));
    result
}
