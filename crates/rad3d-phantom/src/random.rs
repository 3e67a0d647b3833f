//! The one source of chance, so that the same seed gives the same bytes whatever else changes.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood 2014): state plus a constant, then three
//! rounds of shift and multiply. It is ten lines, passes the usual tests, and, being our own,
//! cannot change with a dependency. Voxel noise needs a value for any place in any order, since
//! slices are made side by side; there the same mixing is used as a hash of the place.

/// Mixes 64 bits so that every output bit depends on every input bit.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A stream of random numbers, named by a seed and what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream `purpose` of `seed`; streams of one seed are independent of each other.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a tells the names apart.
        let name = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(mix(seed ^ mix(name)))
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..1`, 24 bits fine.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 24) as f32
    }

    /// Uniform between two numbers.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform among `0..count`; 0 if `count` is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the items, each as likely.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        items[self.below(N)]
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// A unit vector, any direction as likely.
    pub(crate) fn direction(&mut self) -> [f32; 3] {
        let z = self.between(-1.0, 1.0);
        let (sin, cos) = self.between(0.0, std::f32::consts::TAU).sin_cos();
        let flat = (1.0 - z * z).max(0.0).sqrt();
        [flat * cos, flat * sin, z]
    }

    /// Shuffles in place.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// Near-normal noise of mean 0 and variance 1 for a place: four uniform numbers' sum, which
/// needs no logarithm and is far enough from the tails' trouble for scanner noise.
pub(crate) fn grain(seed: u64, place: u64) -> f32 {
    let bits = mix(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four uniforms of variance 1/12 have variance 1/3.
    (sum as f32 / 65_535.0 - 2.0) * 1.732_050_8
}

/// Smooth noise over space: random numbers on a lattice of unit cells, blended between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SmoothNoise(u64);

impl SmoothNoise {
    /// The field `purpose` of `seed`.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(Random::new(seed, purpose).bits())
    }

    /// The field at a place in lattice units, within −1…1.
    pub(crate) fn at(self, place: [f32; 3]) -> f32 {
        let cell = place.map(f32::floor);
        let weight: [f32; 3] = std::array::from_fn(|axis| {
            let t = place[axis] - cell[axis];
            t * t * (3.0 - 2.0 * t)
        });
        let corner = |dx: i32, dy: i32, dz: i32| {
            self.lattice([
                cell[0] as i32 + dx,
                cell[1] as i32 + dy,
                cell[2] as i32 + dz,
            ])
        };
        let along_x = |dy, dz| lerp(corner(0, dy, dz), corner(1, dy, dz), weight[0]);
        let along_y = |dz| lerp(along_x(0, dz), along_x(1, dz), weight[1]);
        lerp(along_y(0), along_y(1), weight[2])
    }

    /// Two octaves, features of `scale_mm` and half of it, within −1…1.
    pub(crate) fn fractal(self, at_mm: [f32; 3], scale_mm: f32) -> f32 {
        let coarse = self.at(at_mm.map(|x| x / scale_mm));
        let fine = self.at(at_mm.map(|x| x * 2.0 / scale_mm + 37.0));
        coarse * 0.67 + fine * 0.33
    }

    fn hash(self, [x, y, z]: [i32; 3]) -> u64 {
        let place = (x as u32 as u64) ^ (y as u32 as u64) << 21 ^ (z as u32 as u64) << 42;
        mix(self.0 ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn lattice(self, cell: [i32; 3]) -> f32 {
        (self.hash(cell) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// The nearest and second nearest of one random point a unit cell (Worley 1996): their
    /// distances, and a random number within 0…1 that belongs to the nearest.
    pub(crate) fn cells(self, place: [f32; 3]) -> (f32, f32, f32) {
        let cell = place.map(|x| x.floor() as i32);
        let (mut first, mut second, mut owner) = (f32::MAX, f32::MAX, 0);
        for step in 0..27_i32 {
            let at = [
                cell[0] + step % 3 - 1,
                cell[1] + step / 3 % 3 - 1,
                cell[2] + step / 9 - 1,
            ];
            let bits = self.hash(at);
            let part = |shift: u32| ((bits >> shift) & 0xffff) as f32 / 65_535.0;
            let squared: f32 = (0..3)
                .map(|axis| at[axis] as f32 + part(16 * axis as u32) - place[axis])
                .map(|x| x * x)
                .sum();
            if squared < first {
                (second, first, owner) = (first, squared, bits >> 48);
            } else if squared < second {
                second = squared;
            }
        }
        (first.sqrt(), second.sqrt(), owner as f32 / 65_535.0)
    }
}

pub(crate) fn lerp(from: f32, to: f32, part: f32) -> f32 {
    from + (to - from) * part
}

/// 0 below `low`, 1 above `high`, smooth between; `high` may be the smaller.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_never_changes() {
        // A changed number here changes every phantom ever made.
        let mut random = Random::new(7, "facts");
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        let mut again = Random::new(7, "facts");
        assert_eq!(first, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(first[0], Random::new(7, "report").bits());
        assert_ne!(first[0], Random::new(8, "facts").bits());
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
    }

    #[test]
    fn moments() {
        let mut random = Random::new(1, "moments");
        let n = 20_000;
        let normal: Vec<f32> = (0..n).map(|_| random.normal()).collect();
        let grains: Vec<f32> = (0..n).map(|place| grain(3, place)).collect();
        for values in [normal, grains] {
            let mean = values.iter().sum::<f32>() / n as f32;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32;
            assert!(mean.abs() < 0.03, "mean {mean}");
            assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
        }
    }

    #[test]
    fn noise_is_bounded_and_smooth() {
        let noise = SmoothNoise::new(5, "test");
        for step in 0..2_000 {
            let x = step as f32 * 0.013 - 9.0;
            let (here, there) = (noise.at([x, 0.3, -x]), noise.at([x + 1e-3, 0.3, -x]));
            assert!(here.abs() <= 1.0);
            assert!((here - there).abs() < 0.01);
            let (first, second, owner) = noise.cells([x, 0.1, 0.2]);
            assert!(first <= second && (0.0..=1.0).contains(&owner));
        }
    }
}
