//! Draws that depend on nothing but a seed and a place, so that a resumed run makes the same ones.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator for one purpose at one place of a run.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The generator of `purpose` at `place`.
    pub(crate) fn new(seed: u64, purpose: &str, place: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&place.to_le_bytes());
        for (index, byte) in purpose.bytes().enumerate() {
            key[16 + index % 16] = key[16 + index % 16].wrapping_mul(31).wrapping_add(byte);
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform from 0 to below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Standard normal.
    #[cfg(feature = "engine")]
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The numbers below `count` in random order.
    #[cfg(feature = "engine")]
    pub(crate) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}
