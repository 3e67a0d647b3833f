//! Solids that scenes are built of, as distances to their surfaces.

use crate::random::SmoothNoise;

/// A place or a length along x (left), y (posterior), z (superior), millimetres.
pub(crate) type Mm3 = [f32; 3];

pub(crate) fn add(a: Mm3, b: Mm3) -> Mm3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Mm3, b: Mm3) -> Mm3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Mm3, by: f32) -> Mm3 {
    a.map(|x| x * by)
}

pub(crate) fn dot(a: Mm3, b: Mm3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn length(a: Mm3) -> f32 {
    dot(a, a).sqrt()
}

/// `a` at unit length; a zero vector becomes z.
pub(crate) fn unit(a: Mm3) -> Mm3 {
    let length = length(a);
    if length > 0.0 {
        scale(a, 1.0 / length)
    } else {
        [0.0, 0.0, 1.0]
    }
}

pub(crate) fn cross(a: Mm3, b: Mm3) -> Mm3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Three perpendicular unit vectors, the first along `first`.
pub(crate) fn frame(first: Mm3) -> [Mm3; 3] {
    let first = unit(first);
    let other = if first[2].abs() < 0.9 {
        [0.0, 0.0, 1.0]
    } else {
        [1.0, 0.0, 0.0]
    };
    let second = unit(cross(other, first));
    [first, second, cross(first, second)]
}

/// An ellipsoid with radii along three perpendicular unit vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ellipsoid {
    pub(crate) center: Mm3,
    pub(crate) radii: Mm3,
    pub(crate) axes: [Mm3; 3],
}

impl Ellipsoid {
    /// With its axes along the patient's.
    pub(crate) fn upright(center: Mm3, radii: Mm3) -> Self {
        Self {
            center,
            radii,
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        }
    }

    /// Turned so that its first radius points along `first`.
    pub(crate) fn along(center: Mm3, radii: Mm3, first: Mm3) -> Self {
        Self {
            center,
            radii,
            axes: frame(first),
        }
    }

    /// The same with every radius longer.
    pub(crate) fn grown(self, by: f32) -> Self {
        Self {
            radii: self.radii.map(|r| (r + by).max(0.1)),
            ..self
        }
    }

    /// Distance to the surface, negative inside; exact on the surface and good near it.
    pub(crate) fn distance(&self, at: Mm3) -> f32 {
        let from = sub(at, self.center);
        let mut once = 0.0;
        let mut twice = 0.0;
        for axis in 0..3 {
            let part = dot(from, self.axes[axis]) / self.radii[axis];
            once += part * part;
            twice += part * part / (self.radii[axis] * self.radii[axis]);
        }
        let (once, twice) = (once.sqrt(), twice.sqrt());
        if twice > 1e-6 {
            once * (once - 1.0) / twice
        } else {
            -self.radii.iter().copied().fold(f32::MAX, f32::min)
        }
    }

    /// The surface point in a direction given by the axes.
    pub(crate) fn surface(&self, direction: Mm3) -> Mm3 {
        (0..3).fold(self.center, |at, axis| {
            add(
                at,
                scale(self.axes[axis], self.radii[axis] * direction[axis]),
            )
        })
    }
}

/// A body in space.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Solid {
    /// See [`Ellipsoid`].
    Ellipsoid(Ellipsoid),
    /// A stick with round ends, from one radius to another.
    Stick { from: Mm3, to: Mm3, radii: [f32; 2] },
    /// An upright drum of elliptic section.
    Drum {
        center: Mm3,
        radii: [f32; 2],
        half_height: f32,
    },
}

impl Solid {
    /// A ball.
    pub(crate) fn ball(center: Mm3, radius: f32) -> Self {
        Self::Ellipsoid(Ellipsoid::upright(center, [radius; 3]))
    }

    /// A stick of one radius.
    pub(crate) fn stick(from: Mm3, to: Mm3, radius: f32) -> Self {
        Self::Stick {
            from,
            to,
            radii: [radius; 2],
        }
    }

    /// Distance to the surface, negative inside.
    pub(crate) fn distance(&self, at: Mm3) -> f32 {
        match self {
            Self::Ellipsoid(ellipsoid) => ellipsoid.distance(at),
            Self::Stick { from, to, radii } => {
                let along = sub(*to, *from);
                let part =
                    (dot(sub(at, *from), along) / dot(along, along).max(1e-6)).clamp(0.0, 1.0);
                let nearest = add(*from, scale(along, part));
                length(sub(at, nearest)) - (radii[0] + (radii[1] - radii[0]) * part)
            }
            Self::Drum {
                center,
                radii,
                half_height,
            } => {
                let from = sub(at, *center);
                let flat = Ellipsoid::upright([0.0; 3], [radii[0], radii[1], 1e6]);
                flat.distance([from[0], from[1], 0.0])
                    .max(from[2].abs() - half_height)
            }
        }
    }

    /// Lowest and highest place of a box around it.
    pub(crate) fn bounds(&self) -> (Mm3, Mm3) {
        match self {
            Self::Ellipsoid(Ellipsoid {
                center,
                radii,
                axes,
            }) => {
                let reach: Mm3 = std::array::from_fn(|x| {
                    (0..3)
                        .map(|axis| (radii[axis] * axes[axis][x]).powi(2))
                        .sum::<f32>()
                        .sqrt()
                });
                (sub(*center, reach), add(*center, reach))
            }
            Self::Stick { from, to, radii } => {
                let low = |x: usize| (from[x] - radii[0]).min(to[x] - radii[1]);
                let high = |x: usize| (from[x] + radii[0]).max(to[x] + radii[1]);
                (std::array::from_fn(low), std::array::from_fn(high))
            }
            Self::Drum {
                center,
                radii,
                half_height,
            } => {
                let reach = [radii[0], radii[1], *half_height];
                (sub(*center, reach), add(*center, reach))
            }
        }
    }
}

/// Where a shape may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// Anywhere.
    Everything,
    /// Only inside the chest wall.
    Cavity,
    /// Only in aerated lung.
    Lung,
}

/// A solid with its radiodensity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) solid: Solid,
    /// Hounsfield units inside.
    pub(crate) hu: f32,
    pub(crate) within: Within,
    /// Height of bumps on the surface, millimetres; 0 for a smooth one.
    pub(crate) bumps_mm: f32,
}

impl Shape {
    /// A smooth shape that shows everywhere.
    pub(crate) fn new(solid: Solid, hu: f32) -> Self {
        Self {
            solid,
            hu,
            within: Within::Everything,
            bumps_mm: 0.0,
        }
    }

    /// The same, showing only in lung.
    pub(crate) fn in_lung(self) -> Self {
        Self {
            within: Within::Lung,
            ..self
        }
    }

    /// The same, showing only inside the chest wall.
    pub(crate) fn in_cavity(self) -> Self {
        Self {
            within: Within::Cavity,
            ..self
        }
    }

    /// The same with a bumpy surface.
    pub(crate) fn bumpy(self, bumps_mm: f32) -> Self {
        Self { bumps_mm, ..self }
    }

    /// Distance to the surface, negative inside.
    pub(crate) fn distance(&self, at: Mm3, noise: SmoothNoise) -> f32 {
        let smooth = self.solid.distance(at);
        if self.bumps_mm == 0.0 {
            return smooth;
        }
        smooth + self.bumps_mm * noise.at(at.map(|x| x / 5.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_bounds_agree() {
        let tilted = Ellipsoid::along([3.0, -2.0, 5.0], [9.0, 4.0, 6.0], [1.0, 1.0, 0.5]);
        let solids = [
            Solid::ball([1.0, 2.0, 3.0], 4.0),
            Solid::Ellipsoid(tilted),
            Solid::Stick {
                from: [0.0; 3],
                to: [10.0, 5.0, -4.0],
                radii: [2.0, 1.0],
            },
            Solid::Drum {
                center: [1.0, 1.0, 1.0],
                radii: [5.0, 3.0],
                half_height: 2.0,
            },
        ];
        for solid in solids {
            let (low, high) = solid.bounds();
            for step in 0..8_000 {
                let part =
                    [step % 20, step / 20 % 20, step / 400].map(|n| n as f32 / 19.0 * 1.4 - 0.2);
                let at: Mm3 = std::array::from_fn(|x| low[x] + (high[x] - low[x]) * part[x]);
                let outside = (0..3).any(|x| at[x] < low[x] - 1e-3 || at[x] > high[x] + 1e-3);
                assert!(
                    !(outside && solid.distance(at) < -1e-3),
                    "{solid:?} at {at:?}"
                );
            }
        }
        assert!((Solid::ball([0.0; 3], 2.0).distance([5.0, 0.0, 0.0]) - 3.0).abs() < 1e-4);
        let surface = tilted.surface(unit([0.3, -0.5, 0.7]));
        assert!(tilted.distance(surface).abs() < 1e-3);
    }
}
