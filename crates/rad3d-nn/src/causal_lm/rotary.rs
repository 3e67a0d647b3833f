//! Rotary position encoding.

use super::config::{Pairing, Rotary, RotaryScaling};

/// Cosines and sines for all positions of a cache.
pub(super) struct RotaryTable {
    pairs: usize,
    pairing: Pairing,
    /// `[position, pair]`.
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rotary {
    /// Angle in radians by which each pair of components turns from one position to the next.
    pub(super) fn frequencies(&self) -> Vec<f32> {
        (0..self.dims / 2)
            .map(|pair| {
                let plain = self.theta.powf(-((2 * pair) as f32 / self.dims as f32));
                self.scaling.apply(pair, plain)
            })
            .collect()
    }
}

impl RotaryScaling {
    fn apply(&self, pair: usize, frequency: f32) -> f32 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Divisors(divisors) => frequency / divisors[pair],
            Self::Llama3 {
                factor,
                low,
                high,
                original_context,
            } => {
                let wavelength = std::f32::consts::TAU / frequency;
                if wavelength > original_context / low {
                    frequency / factor
                } else if wavelength < original_context / high {
                    frequency
                } else {
                    let kept = (original_context / wavelength - low) / (high - low);
                    (1.0 - kept) * frequency / factor + kept * frequency
                }
            }
        }
    }
}

impl RotaryTable {
    pub(super) fn new(rotary: &Rotary, positions: usize) -> Self {
        let frequencies = rotary.frequencies();
        let angles = (0..positions)
            .flat_map(|position| frequencies.iter().map(move |turn| position as f32 * turn));
        let (sines, cosines) = angles.map(f32::sin_cos).unzip();
        Self {
            pairs: rotary.dims / 2,
            pairing: rotary.pairing,
            cosines,
            sines,
        }
    }

    /// Undoes [`RotaryTable::turn`]: the way of a gradient.
    pub(super) fn turn_back(&self, head: &mut [f32], position: usize) {
        let angles = position * self.pairs..(position + 1) * self.pairs;
        let turns = self.cosines[angles.clone()].iter().zip(&self.sines[angles]);
        match self.pairing {
            Pairing::Halves => {
                let (first, rest) = head.split_at_mut(self.pairs);
                for ((a, b), (cosine, sine)) in first.iter_mut().zip(rest).zip(turns) {
                    (*a, *b) = (*a * cosine + *b * sine, *b * cosine - *a * sine);
                }
            }
            Pairing::Neighbours => {
                for (pair, (cosine, sine)) in head.chunks_exact_mut(2).zip(turns) {
                    let (a, b) = (pair[0], pair[1]);
                    (pair[0], pair[1]) = (a * cosine + b * sine, b * cosine - a * sine);
                }
            }
        }
    }

    /// Turns the first components of one head to `position`.
    pub(super) fn turn(&self, head: &mut [f32], position: usize) {
        let angles = position * self.pairs..(position + 1) * self.pairs;
        let turns = self.cosines[angles.clone()].iter().zip(&self.sines[angles]);
        match self.pairing {
            Pairing::Halves => {
                let (first, rest) = head.split_at_mut(self.pairs);
                for ((a, b), (cosine, sine)) in first.iter_mut().zip(rest).zip(turns) {
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
            Pairing::Neighbours => {
                for (pair, (cosine, sine)) in head.chunks_exact_mut(2).zip(turns) {
                    let (a, b) = (pair[0], pair[1]);
                    (pair[0], pair[1]) = (a * cosine - b * sine, b * cosine + a * sine);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotary(pairing: Pairing) -> Rotary {
        Rotary {
            theta: 10_000.0,
            dims: 8,
            scaling: RotaryScaling::None,
            pairing,
        }
    }

    #[test]
    fn both_pairings_turn_the_same_pairs() {
        let head: Vec<f32> = (0..8).map(|i| i as f32 - 2.5).collect();
        let mut halves = head.clone();
        RotaryTable::new(&rotary(Pairing::Halves), 12).turn(&mut halves, 11);
        let mut neighbours: Vec<f32> = (0..8).map(|i| head[i / 2 + 4 * (i % 2)]).collect();
        RotaryTable::new(&rotary(Pairing::Neighbours), 12).turn(&mut neighbours, 11);
        for i in 0..8 {
            assert_eq!(neighbours[i], halves[i / 2 + 4 * (i % 2)]);
        }
    }

    #[test]
    fn the_product_of_two_heads_depends_on_their_distance_only() {
        let table = RotaryTable::new(&rotary(Pairing::Halves), 50);
        let product = |p: usize, q: usize| {
            let mut a: Vec<f32> = (0..8).map(|i| (i as f32).sin()).collect();
            let mut b: Vec<f32> = (0..8).map(|i| (i as f32 * 1.7).cos()).collect();
            table.turn(&mut a, p);
            table.turn(&mut b, q);
            a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>()
        };
        assert!((product(3, 10) - product(40, 47)).abs() < 1e-5);
        assert!((product(3, 10) - product(3, 12)).abs() > 1e-3);
    }
}
