//! The one source of chance: the same seed gives the same study on every machine, whatever else
//! changes.

/// SplitMix64 (Steele, Lea and Flood 2014), seeded by a number and by what the draws are for.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The draws of `seed` for `purpose`; those of two purposes are independent.
    pub(crate) fn new(seed: u64, purpose: &[&str]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in purpose {
            // FNV-1a; 0xff, which no UTF-8 holds, parts the names.
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(mix(seed ^ mix(hash)))
    }

    /// Uniform among `0..count`; 0 if `count` is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * count as u128) >> 64) as usize
    }

    /// Shuffles in place (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_parted() {
        let mut items: Vec<usize> = (0..100).collect();
        let draw = |purpose: &[&str]| {
            let mut random = Random::new(7, purpose);
            (0..8).map(|_| random.below(1 << 30)).collect::<Vec<_>>()
        };
        assert_eq!(draw(&["order", "R1"]), draw(&["order", "R1"]));
        assert_ne!(draw(&["order", "R1"]), draw(&["orderR", "1"]));
        Random::new(1, &["x"]).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
