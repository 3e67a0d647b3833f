//! Regional changes of lung: ground glass, consolidation, emphysema, mosaic, septa.

use super::body::lobe;
use super::solid::{Mm3, length, sub};
use crate::facts::Lobe;
use crate::random::{SmoothNoise, smoothstep};

/// A change of aerated lung, of a weight at every place.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) pattern: Pattern,
    /// Radiodensity where the weight is 1.
    pub(crate) hu: f32,
    /// Lobes it keeps to.
    pub(crate) lobes: Vec<Lobe>,
    pub(crate) noise: SmoothNoise,
}

/// How the weight is spread.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Clouds: centres, radii, and how ragged their edges are as a share of the radius.
    Clouds { balls: Vec<(Mm3, f32)>, ragged: f32 },
    /// Round holes, one a cell, in a share of cells; down to a depth below the chest wall.
    Holes {
        cell_mm: f32,
        share: f32,
        radius: f32,
        depth_mm: f32,
    },
    /// A layer on the dependent chest wall.
    Dependent { thickness_mm: f32 },
    /// The places where slow noise is high (`true`) or low.
    Patches { high: bool },
    /// Walls between the cells of a foam, thinning out away from the chest wall.
    Net {
        cell_mm: f32,
        wall_mm: f32,
        depth_mm: f32,
    },
}

impl Field {
    /// The weight, 0 to 1, at a place `depth` mm below the chest wall.
    pub(crate) fn weight(&self, at: Mm3, depth: f32) -> f32 {
        if !self.lobes.contains(&lobe(at)) {
            return 0.0;
        }
        match &self.pattern {
            Pattern::Clouds { balls, ragged } => {
                let nearest = balls
                    .iter()
                    .map(|(center, radius)| length(sub(at, *center)) / radius)
                    .fold(f32::MAX, f32::min);
                if nearest > 1.0 + ragged + 0.15 {
                    return 0.0;
                }
                let edge = nearest - 1.0 + ragged * self.noise.fractal(at, 16.0);
                smoothstep(0.12, -0.12, edge)
            }
            Pattern::Holes {
                cell_mm,
                share,
                radius,
                depth_mm,
            } => {
                if depth > *depth_mm {
                    return 0.0;
                }
                let (nearest, _, owner) = self.noise.cells(at.map(|x| x / cell_mm));
                if owner > *share {
                    return 0.0;
                }
                smoothstep(radius + 0.07, radius - 0.07, nearest)
            }
            Pattern::Dependent { thickness_mm } => {
                let local = thickness_mm
                    * smoothstep(-10.0, 62.0, at[1])
                    * smoothstep(45.0, -45.0, at[2])
                    * (1.0 + 0.3 * self.noise.fractal(at, 20.0));
                smoothstep(0.8, -0.8, depth - local)
            }
            Pattern::Patches { high } => {
                let value = self.noise.fractal(at, 34.0);
                let value = if *high { value } else { -value };
                smoothstep(-0.02, 0.06, value)
            }
            Pattern::Net {
                cell_mm,
                wall_mm,
                depth_mm,
            } => {
                let fade = smoothstep(*depth_mm, depth_mm * 0.7, depth);
                if fade == 0.0 {
                    return 0.0;
                }
                let (first, second, _) = self.noise.cells(at.map(|x| x / cell_mm));
                let from_wall = (second - first) * cell_mm * 0.5;
                fade * smoothstep(wall_mm * 0.75, wall_mm * 0.35, from_wall)
            }
        }
    }
}
