//! Branching trees that fill the lungs: arteries, veins, bronchi.
//!
//! A tree is grown backwards: places all over a lung are to be supplied; each branch runs from
//! its parent towards their centre, then halves them across their longest extent and goes on with
//! either half. Radii follow Murray's law in spirit: a power of the number of places supplied.

use super::body::{Body, lobe};
use super::solid::{Mm3, add, scale, sub};
use crate::facts::{Lobe, Side};
use crate::random::Random;

/// A straight piece of a vessel or bronchus.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branch {
    pub(crate) from: Mm3,
    pub(crate) to: Mm3,
    /// How many places it supplies.
    pub(crate) supplies: usize,
    /// The lobe its end lies in.
    pub(crate) lobe: Lobe,
}

impl Branch {
    /// Radius of an artery or vein of this branch, where the finest is `finest`.
    pub(crate) fn radius(&self, finest: f32) -> f32 {
        finest * (self.supplies as f32).powf(0.36)
    }
}

/// Where arteries and bronchi enter a lung.
pub(crate) fn hilum(side: Side) -> Mm3 {
    match side {
        Side::Right => [-36.0, 10.0, 2.0],
        Side::Left => [38.0, 12.0, 6.0],
    }
}

/// Where veins leave a lung.
pub(crate) fn venous_hilum(side: Side) -> Mm3 {
    match side {
        Side::Right => [-32.0, 0.0, -22.0],
        Side::Left => [36.0, 8.0, -18.0],
    }
}

/// A tree from `root` into the lung of `side` with `places` ends.
pub(crate) fn grow(
    body: &Body,
    side: Side,
    root: Mm3,
    places: usize,
    random: &mut Random,
) -> Vec<Branch> {
    let mut ends = Vec::with_capacity(places);
    // Lungs fill a third of the box; the bound only matters if a body left no lung at all.
    for _ in 0..places * 40 {
        let x = side.sign() * random.between(12.0, 130.0);
        let at = [
            x,
            random.between(-85.0, 95.0),
            random.between(-130.0, 104.0),
        ];
        if body.lung(at) < -2.5 {
            ends.push(at);
            if ends.len() == places {
                break;
            }
        }
    }
    let mut branches = Vec::with_capacity(3 * places);
    split(root, &mut ends, &mut branches, random);
    branches
}

fn split(from: Mm3, ends: &mut [Mm3], branches: &mut Vec<Branch>, random: &mut Random) {
    let Some((first, _)) = ends.split_first() else {
        return;
    };
    let count = ends.len();
    let mut reach = |to: Mm3, supplies: usize, random: &mut Random| {
        // Two pieces with a bend look less like a drawing of a graph than one.
        let bend = random.direction();
        let size = 0.09 * super::solid::length(sub(to, from));
        let middle = add(scale(add(from, to), 0.5), scale(bend, size));
        for (from, to) in [(from, middle), (middle, to)] {
            branches.push(Branch {
                from,
                to,
                supplies,
                lobe: lobe(to),
            });
        }
    };
    if count == 1 {
        reach(*first, 1, random);
        return;
    }
    let center = scale(
        ends.iter().fold([0.0; 3], |sum, &end| add(sum, end)),
        1.0 / count as f32,
    );
    let part = random.between(0.34, 0.5);
    let to = add(from, scale(sub(center, from), part));
    reach(to, count, random);
    let extent = |axis: usize| {
        let (low, high) = ends.iter().fold((f32::MAX, f32::MIN), |(low, high), end| {
            (low.min(end[axis]), high.max(end[axis]))
        });
        high - low
    };
    let mut longest = 0;
    for axis in 1..3 {
        if extent(axis) > extent(longest) {
            longest = axis;
        }
    }
    ends.sort_by(|a, b| a[longest].total_cmp(&b[longest]));
    let share = random.between(0.38, 0.62);
    let cut = ((count as f32 * share) as usize).clamp(1, count - 1);
    let (low, high) = ends.split_at_mut(cut);
    split(to, low, branches, random);
    split(to, high, branches, random);
}
