//! Slices in order: where each lies along the normal, and whether they make one even grid.

use super::image::Image;
use crate::error::Fault;
use crate::geometry::{Vec3, clean_mm, cross, dot, norm};

/// One frame of one of a series' files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameRef {
    pub(super) image: usize,
    pub(super) frame: usize,
}

/// A slice and how far along the normal it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) at: FrameRef,
    pub(super) offset_mm: f64,
    position: Vec3,
}

/// Why slices make no volume.
#[derive(Debug, Clone)]
pub(super) struct StackFault {
    pub(super) fault: Fault,
    pub(super) what: String,
    pub(super) hint: &'static str,
    /// Whether `--force` reads the series all the same.
    pub(super) yields_to_force: bool,
}

impl StackFault {
    pub(super) fn new(fault: Fault, what: impl Into<String>, hint: &'static str) -> Self {
        Self {
            fault,
            what: what.into(),
            hint,
            yields_to_force: false,
        }
    }
}

/// Missing slices between two neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    /// The slice (in order) before the gap.
    pub(super) after: usize,
    pub(super) missing: usize,
}

/// Slices of one series in order of their place along the normal.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    /// One slice a place, rising along the normal.
    pub(super) slices: Vec<Slice>,
    /// Frames that lie where a slice (number in order) already is.
    pub(super) doubled: Vec<(usize, FrameRef)>,
    pub(super) gaps: Vec<Gap>,
    /// Millimetres between slices; `None` for a single one of unknown thickness.
    pub(super) spacing_mm: Option<f64>,
    pub(super) normal: Vec3,
    pub(super) fault: Option<StackFault>,
}

/// Closer than this two slices lie at one place.
const SAME_PLACE_MM: f64 = 1e-3;
/// How far a step may stray from the usual one: 1 % of it, or this.
const JITTER_MM: f64 = 0.05;
/// Largest gap that is filled by interpolation: so many slices in a row, and so many millimetres
/// from neighbour to neighbour.
const SMALL_GAP_SLICES: usize = 2;
const SMALL_GAP_MM: f64 = 10.0;
/// Largest part of all slices that may be interpolated.
const SMALL_GAP_SHARE: f64 = 0.05;
/// Largest angle between the normal and the line through the slices' corners. Rounded positions
/// make a few hundredths of a degree; scanners tilt by whole degrees.
const LARGEST_TILT_DEG: f64 = 0.5;

impl Stack {
    /// Puts `frames` in order. All images share orientation, matrix and pixel spacing.
    pub(super) fn new(images: &[Image], frames: &[FrameRef]) -> Stack {
        let orientation = frames.first().and_then(|at| images[at.image].orientation);
        let [row, column] = orientation.unwrap_or([[0.0; 3]; 2]);
        let normal = cross(row, column);
        let mut slices = Vec::with_capacity(frames.len());
        let mut homeless = 0;
        for &at in frames {
            match images[at.image].frames[at.frame].position {
                Some(position) => {
                    slices.push(Slice {
                        at,
                        offset_mm: dot(position, normal),
                        position,
                    });
                }
                None => homeless += 1,
            }
        }
        // Ties keep the order of file and frame, so that a run repeats itself.
        slices.sort_by(|a, b| {
            let order = a.offset_mm.total_cmp(&b.offset_mm);
            order.then((a.at.image, a.at.frame).cmp(&(b.at.image, b.at.frame)))
        });
        let mut stack = Stack {
            slices: Vec::with_capacity(slices.len()),
            doubled: Vec::new(),
            gaps: Vec::new(),
            spacing_mm: None,
            normal,
            fault: None,
        };
        for slice in slices {
            match stack.slices.last() {
                Some(last) if slice.offset_mm - last.offset_mm < SAME_PLACE_MM => {
                    stack.doubled.push((stack.slices.len() - 1, slice.at));
                }
                _ => stack.slices.push(slice),
            }
        }
        stack.fault = if orientation.is_none() {
            let hint = "export the series again with its geometry";
            let what = "has no usable Image Orientation (Patient)";
            Some(StackFault::new(Fault::Geometry, what, hint))
        } else if homeless > 0 {
            let what = format!(
                "{homeless} of {} slices have no Image Position (Patient), and none can be derived",
                frames.len()
            );
            let hint = "export the series again with its geometry";
            Some(StackFault::new(Fault::Geometry, what, hint))
        } else {
            stack.tilt().or_else(|| stack.spread(images))
        };
        stack
    }

    /// Distances between consecutive slices, in order.
    pub(super) fn steps_mm(&self) -> Vec<f64> {
        self.slices
            .windows(2)
            .map(|pair| pair[1].offset_mm - pair[0].offset_mm)
            .collect()
    }

    /// Voxels along `k` once gaps are filled.
    pub(super) fn depth(&self) -> usize {
        self.slices.len() + self.gaps.iter().map(|gap| gap.missing).sum::<usize>()
    }

    /// Position of the first slice's first pixel.
    pub(super) fn origin(&self) -> Vec3 {
        self.slices.first().map_or([0.0; 3], |slice| slice.position)
    }

    /// The voxel index along `k` of each slice.
    pub(super) fn indices(&self) -> Vec<usize> {
        let mut missing = vec![0; self.slices.len()];
        for gap in &self.gaps {
            missing[gap.after + 1] = gap.missing;
        }
        let mut filled = 0;
        let index = |(slice, missing)| {
            filled += missing;
            slice + filled
        };
        missing.into_iter().enumerate().map(index).collect()
    }

    fn tilt(&self) -> Option<StackFault> {
        let (first, last) = (self.slices.first()?, self.slices.last()?);
        let between = |a: &Slice, b: &Slice| -> Vec3 {
            std::array::from_fn(|axis| b.position[axis] - a.position[axis])
        };
        let sideways = |step: Vec3| {
            let along = dot(step, self.normal);
            norm(std::array::from_fn(|axis| {
                step[axis] - along * self.normal[axis]
            }))
        };
        let whole = between(first, last);
        let angle = sideways(whole).atan2(dot(whole, self.normal)).to_degrees();
        if self.slices.len() > 1 && angle > LARGEST_TILT_DEG {
            return Some(StackFault::new(
                Fault::Geometry,
                format!("the gantry was tilted: slices step at {angle:.1}° to their normal"),
                "resample the series upright first (dcm2niix does so), then give the result here",
            ));
        }
        let stray = self
            .slices
            .iter()
            .map(|slice| sideways(between(first, slice)));
        let stray = stray.fold(0.0, f64::max);
        (stray > 5.0).then(|| {
            StackFault::new(
                Fault::Geometry,
                format!("slices are shifted sideways by up to {stray:.1} mm"),
                "the series mixes several reconstructions; export one alone",
            )
        })
    }

    fn spread(&mut self, images: &[Image]) -> Option<StackFault> {
        let steps = self.steps_mm();
        let Some(step) = median(&steps) else {
            if !self.doubled.is_empty() {
                let what = format!("all {} slices lie at one place", 1 + self.doubled.len());
                let hint = "the series is no volume; give another one";
                return Some(StackFault::new(Fault::Series, what, hint));
            }
            let first = self.slices.first()?;
            self.spacing_mm = images[first.at.image].slice_thickness_mm.map(clean_mm);
            return self.spacing_mm.is_none().then(|| {
                StackFault::new(
                    Fault::Geometry,
                    "is a single slice of unknown thickness",
                    "give the whole series: a folder, or a zip of it",
                )
            });
        };
        let step = snapped_mm(step);
        self.spacing_mm = Some(clean_mm(step));
        let tolerance = (0.01 * step).max(JITTER_MM);
        let mut uneven = Vec::new();
        for (after, &found) in steps.iter().enumerate() {
            let whole = (found / step).round();
            if (found - whole * step).abs() > tolerance * whole.max(1.0) || whole < 1.0 {
                uneven.push(after);
            } else if whole > 1.0 {
                self.gaps.push(Gap {
                    after,
                    missing: whole as usize - 1,
                });
            }
        }
        let drift = steps.iter().sum::<f64>() - (self.depth() - 1) as f64 * step;
        if !uneven.is_empty() || drift.abs() > step {
            self.gaps.clear();
            return Some(self.uneven(&uneven, &steps, step));
        }
        self.judge_gaps(&steps)
    }

    fn uneven(&self, uneven: &[usize], steps: &[f64], step: f64) -> StackFault {
        let list = list(uneven.iter().map(|&after| {
            format!(
                "{:.2} mm after {:.2} mm",
                steps[after], self.slices[after].offset_mm
            )
        }));
        let what = if uneven.is_empty() {
            format!("slices are spaced unevenly: {step} mm apart at the median, not on the whole")
        } else {
            format!(
                "slices are spaced unevenly: {step} mm apart at the median, but {} steps are not: \
                 {list}",
                uneven.len()
            )
        };
        let hint = "the series is incomplete or mixes reconstructions; export it again";
        StackFault::new(Fault::Series, what, hint)
    }

    fn judge_gaps(&self, steps: &[f64]) -> Option<StackFault> {
        let missing = self.depth() - self.slices.len();
        let small = |gap: &Gap| gap.missing <= SMALL_GAP_SLICES && steps[gap.after] <= SMALL_GAP_MM;
        let share = missing as f64 / self.depth() as f64;
        if self.gaps.iter().all(small) && share <= SMALL_GAP_SHARE {
            return None;
        }
        let hint = "fetch the missing slices; --force interpolates them";
        let what = format!(
            "{missing} of {} slices are missing: {}",
            self.depth(),
            self.gap_list()
        );
        Some(StackFault {
            yields_to_force: true,
            ..StackFault::new(Fault::Series, what, hint)
        })
    }

    /// Where slices are missing, for messages.
    pub(super) fn gap_list(&self) -> String {
        list(self.gaps.iter().map(|gap| {
            let (from, to) = (self.slices[gap.after], self.slices[gap.after + 1]);
            format!(
                "{} between {:.2} and {:.2} mm",
                gap.missing, from.offset_mm, to.offset_mm
            )
        }))
    }
}

/// At most ten of `items`, and how many more there are.
pub(super) fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(10);
    let mut text = items.take(10).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(", and {more} more");
    }
    text
}

/// The middle value, or the mean of the middle two.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// To 1e-5 mm, where that moves the number by a rounding error only: positions of six decimals
/// make steps such as 0.6999999999999886.
fn snapped_mm(mm: f64) -> f64 {
    let snapped = (mm * 1e5).round() / 1e5;
    if (snapped - mm).abs() < 1e-6 {
        snapped
    } else {
        mm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn spacings_lose_their_dust_and_nothing_else() {
        assert_eq!(snapped_mm(0.699_999_999_999_988_6), 0.7);
        assert_eq!(snapped_mm(1.234_564_5), 1.234_564_5);
    }
}
