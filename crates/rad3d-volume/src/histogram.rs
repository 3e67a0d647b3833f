//! How often stored values occur, from a sample spread over the volume.

use serde::Serialize;

use crate::hu::Rescale;
use crate::volume::Volume;
use crate::voxels::{Voxel, with_voxels};

/// About how many voxels are looked at: enough that a share of 1 % is known to 0.02 % (one
/// standard deviation).
const SAMPLE: usize = 300_000;

/// A sorted sample of stored values, without declared padding.
#[derive(Debug, Clone)]
pub struct Sample {
    sorted: Vec<f32>,
    fill: Option<(f32, f64)>,
}

/// A histogram for display.
#[derive(Debug, Clone, Serialize)]
pub struct Histogram {
    /// Lower edge of the first bin, Hounsfield units.
    pub first_hu: f64,
    /// Width of a bin, Hounsfield units.
    pub bin_hu: f64,
    /// Share of voxels in each bin; together with what lies outside they sum to 1.
    pub shares: Vec<f64>,
}

impl Sample {
    /// Samples every n-th voxel along each axis.
    #[must_use]
    pub fn of(volume: &Volume) -> Self {
        let [ni, nj, nk] = volume.geometry.dims_ijk();
        let stride = ((ni * nj * nk) as f64 / SAMPLE as f64)
            .cbrt()
            .ceil()
            .max(1.0) as usize;
        let strides = [stride.min(ni), stride.min(nj), stride.min(nk)];
        let mut sorted = Vec::with_capacity((ni / strides[0] + 1) * (nj / strides[1] + 1));
        let is_padding = |value: f64| {
            volume
                .padding
                .is_some_and(|(first, last)| value >= first && value <= last)
        };
        with_voxels!(&volume.voxels, values => {
            for k in (strides[2] / 2..nk).step_by(strides[2]) {
                for j in (strides[1] / 2..nj).step_by(strides[1]) {
                    let row = &values[ni * (j + nj * k)..][..ni];
                    let kept = row.iter().skip(strides[0] / 2).step_by(strides[0]);
                    let kept = kept.filter(|value| !is_padding(value.to_f64()));
                    sorted.extend(kept.map(|value| value.to_f32()));
                }
            }
        });
        sorted.sort_unstable_by(f32::total_cmp);
        let fill = fill_value(&sorted);
        Self { sorted, fill }
    }

    /// The value that fills everything outside the field of view, and its share, where one
    /// stands apart from all others at the bottom of the range (such as −2000 or −3024).
    #[must_use]
    pub fn fill(&self) -> Option<(f32, f64)> {
        self.fill
    }

    /// Values without the fill.
    fn measured(&self) -> &[f32] {
        let skip = match self.fill {
            Some((value, _)) => self.sorted.partition_point(|v| *v <= value),
            None => 0,
        };
        &self.sorted[skip..]
    }

    /// Share of measured values that lie in `[low, high)` once `to_hu` is applied.
    #[must_use]
    pub fn share(&self, to_hu: Rescale, low: f64, high: f64) -> f64 {
        let measured = self.measured();
        if measured.is_empty() {
            return 0.0;
        }
        let below = |hu: f64| {
            if to_hu.slope > 0.0 {
                measured.partition_point(|v| to_hu.apply(f64::from(*v)) < hu)
            } else {
                measured.len() - measured.partition_point(|v| to_hu.apply(f64::from(*v)) >= hu)
            }
        };
        (below(high) as f64 - below(low) as f64) / measured.len() as f64
    }

    /// Smallest and largest stored value of the sample, the fill included.
    #[must_use]
    pub fn range(&self) -> Option<(f32, f32)> {
        Some((*self.sorted.first()?, *self.sorted.last()?))
    }

    /// Centre of the fullest 20-HU bin in `[low, high)`.
    #[must_use]
    pub fn peak_hu(&self, to_hu: Rescale, low: f64, high: f64) -> Option<f64> {
        const BIN: f64 = 20.0;
        let bins = ((high - low) / BIN) as usize;
        let fullest = (0..bins)
            .map(|bin| low + BIN * bin as f64)
            .map(|edge| (edge + BIN / 2.0, self.share(to_hu, edge, edge + BIN)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        (fullest.1 > 0.0).then_some(fullest.0)
    }

    /// Shares of `bins` equal bins from `first_hu` to `last_hu`.
    #[must_use]
    pub fn histogram(&self, to_hu: Rescale, first_hu: f64, last_hu: f64, bins: usize) -> Histogram {
        let bin_hu = (last_hu - first_hu) / bins as f64;
        let edge = |bin: usize| first_hu + bin_hu * bin as f64;
        let shares = (0..bins)
            .map(|bin| self.share(to_hu, edge(bin), edge(bin + 1)))
            .collect();
        Histogram {
            first_hu,
            bin_hu,
            shares,
        }
    }
}

/// See [`Sample::fill`]: the lowest value, if it is common and 100 or more below the next.
fn fill_value(sorted: &[f32]) -> Option<(f32, f64)> {
    const COMMON: f64 = 0.002;
    const APART: f32 = 100.0;
    let lowest = *sorted.first()?;
    let count = sorted.partition_point(|v| *v <= lowest);
    let next = *sorted.get(count)?;
    let share = count as f64 / sorted.len() as f64;
    (share >= COMMON && next - lowest >= APART).then_some((lowest, share))
}
