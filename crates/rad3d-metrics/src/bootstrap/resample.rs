//! Which reports are drawn.

use crate::error::{Fault, MetricsError, Result};

/// Draws with replacement, as many as there are reports, again and again.
///
/// The generator is SplitMix64 (Steele, Lea and Flood 2014): its n-th number needs none of those
/// before, so that any resample can be drawn by itself, on any thread. A number `u` becomes the
/// index `(u * items) >> 64`; the indices fill the matrix `[resamples, items]` row by row.
#[derive(Debug, Clone, Copy)]
pub struct Resamples {
    seed: u64,
    items: u64,
    rows: usize,
}

/// What the generator's state grows by: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Resamples {
    /// Draws from `items` reports, `rows` times over.
    ///
    /// # Errors
    /// None of either.
    pub fn new(seed: u64, items: usize, rows: usize) -> Result<Self> {
        if items == 0 || rows == 0 {
            let what = format!("{rows} resamples of {items} reports");
            let hint = "give at least one report, and ask for at least one resample";
            return Err(MetricsError::new(Fault::Empty, "bootstrap", what, hint));
        }
        Ok(Self {
            seed,
            items: items as u64,
            rows,
        })
    }

    /// How many resamples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The reports drawn in resample `row`, in order.
    pub fn indices(&self, row: usize) -> impl Iterator<Item = usize> + use<> {
        let items = self.items;
        let first = (row as u64).wrapping_mul(items);
        let before = self.seed.wrapping_add(first.wrapping_mul(STEP));
        (1..=items).map(move |draw| {
            let random = mix(before.wrapping_add(draw.wrapping_mul(STEP)));
            ((u128::from(random) * u128::from(items)) >> 64) as usize
        })
    }

    /// Counts into `times` how often each report is drawn in resample `row`.
    pub fn count(&self, row: usize, times: &mut [u32]) {
        times.fill(0);
        for index in self.indices(row) {
            if let Some(times) = times.get_mut(index) {
                *times += 1;
            }
        }
    }
}

/// SplitMix64's output function.
fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
