//! The body's large parts as functions of place: skin, fat, muscle, chest cavity, lungs, lobes.
//!
//! The frame is LPS with its origin between the lungs, 20 mm below the carina. Numbers are those of an
//! average adult in millimetres, from general anatomy; `stature` scales all of them, so that
//! functions here take places already divided by it.

use super::solid::{Ellipsoid, Mm3};
use crate::facts::{FactSheet, Finding, Lobe, Severity, Sex, Side};
use crate::random::smoothstep;

/// Half width and half depth of the chest cavity where it is widest.
const CAVITY: [f32; 2] = [128.0, 88.0];
/// How far the cavity's centre lies behind the origin.
const CAVITY_Y: f32 = 5.0;
/// Height of the lungs' apices.
const APEX_Z: f32 = 105.0;
/// Length over which the cavity widens from the apex down.
const APEX_TAPER: f32 = 130.0;
/// Height of the diaphragm's domes, right and left.
const DOMES_Z: [f32; 2] = [-72.0, -84.0];
/// Lowest and highest place that a scan shows.
pub(crate) const SCAN_Z: [f32; 2] = [-140.0, 122.0];
/// Pointing from the heart's base to its apex.
const HEART_AXIS: Mm3 = [0.80, -0.55, -0.22];

/// Shape of a person.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    fat: f32,
    breasts: Option<[Ellipsoid; 2]>,
    /// The heart's muscle and chambers, without the fat and fluid around them.
    pub(crate) heart: Ellipsoid,
    /// The pericardium: the heart with fat and fluid.
    pub(crate) pericardium: Ellipsoid,
    /// A hernia in the lungs' way.
    pub(crate) hernia: Option<Ellipsoid>,
    effusion: [f32; 2],
}

/// What fills a place before any shape is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tissue {
    /// Air around the patient.
    Air,
    Skin,
    Fat,
    Muscle,
    /// Fat between the lungs.
    Mediastinum,
    /// The diaphragm.
    Diaphragm,
    Liver,
    /// Fat, stomach and spleen under the left dome.
    LeftUpperAbdomen,
    Lung,
    /// Fluid in the pleural space.
    Effusion,
}

impl Tissue {
    /// Whether it lies inside the chest wall.
    pub(crate) fn in_cavity(self) -> bool {
        !matches!(self, Self::Air | Self::Skin | Self::Fat | Self::Muscle)
    }
}

/// Distances at a place, negative inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) tissue: Tissue,
    /// Depth below the chest wall; meaningful inside the cavity.
    pub(crate) depth: f32,
    /// Signed distance to the surface of aerated lung.
    pub(crate) lung: f32,
}

/// A horizontal cut through the body's outlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    z: f32,
    skin: Oval,
    subcutis: Oval,
    muscle: Oval,
    cavity: Oval,
}

/// An outline |x/a|^2.5 + |(y−c)/b|^2.5 = 1, rounder than a box and squarer than an ellipse.
#[derive(Debug, Clone, Copy)]
struct Oval {
    half_width: f32,
    half_depth: f32,
    center_y: f32,
}

impl Oval {
    /// Distance to the outline, good near it, negative inside.
    fn distance(self, x: f32, y: f32) -> f32 {
        let (p, q) = (
            x.abs() / self.half_width,
            (y - self.center_y).abs() / self.half_depth,
        );
        // The power 2.5 by square roots, which are far cheaper than powf.
        let (p15, q15) = (p * p.sqrt(), q * q.sqrt());
        let value = p15 * p + q15 * q - 1.0;
        let slope =
            2.5 * ((p15 / self.half_width).powi(2) + (q15 / self.half_depth).powi(2)).sqrt();
        value / slope.max(0.006)
    }
}

impl Level {
    /// Whether a place lies inside the muscle's outline.
    pub(crate) fn in_muscle(&self, x: f32, y: f32) -> bool {
        self.muscle.distance(x, y) < 0.0
    }
}

impl Body {
    /// The body that the facts ask for.
    pub(crate) fn new(facts: &FactSheet) -> Self {
        let mut heart_size: f32 = 0.97;
        let mut fluid = 0.0;
        let mut hernia = None;
        let mut effusion = [0.0; 2];
        for finding in &facts.findings {
            match finding {
                Finding::Cardiomegaly(severity) => {
                    heart_size = match severity {
                        Severity::Mild => 1.22,
                        Severity::Moderate => 1.32,
                        Severity::Marked => 1.45,
                    };
                }
                Finding::PericardialEffusion { thickness_mm } => {
                    fluid = thickness_mm / facts.stature;
                }
                Finding::HiatalHernia { diameter_mm } => {
                    let radius = diameter_mm / 2.0 / facts.stature;
                    // In front of spine and aorta, and into the back of the heart if it is large.
                    let center = [2.0, 42.0 - 0.75 * radius, -66.0];
                    let radii = [radius, 0.75 * radius, 0.9 * radius];
                    hernia = Some(Ellipsoid::upright(center, radii));
                }
                Finding::PleuralEffusion { right_mm, left_mm } => {
                    effusion = [*right_mm, *left_mm].map(|mm| mm.unwrap_or(0.0) / facts.stature);
                }
                _ => {}
            }
        }
        // Spine and sternum leave a large heart less room than the lungs do.
        let radii = [
            64.0 * heart_size,
            44.0 * heart_size.powf(0.6),
            47.0 * heart_size,
        ];
        let center = [14.0 + 14.0 * (heart_size - 1.0), -29.0, -46.0];
        let heart = Ellipsoid::along(center, radii, HEART_AXIS);
        let breasts = (facts.sex == Sex::Female).then(|| {
            [-1.0, 1.0].map(|side| {
                let swell = 0.6 * facts.fat_mm;
                let center = [side * 72.0, -98.0 - 0.5 * facts.fat_mm, -18.0];
                Ellipsoid::upright(center, [52.0 + swell, 24.0 + swell, 50.0 + swell])
            })
        });
        Self {
            fat: facts.fat_mm / facts.stature,
            breasts,
            heart,
            pericardium: heart.grown(4.0 + fluid),
            hernia,
            effusion,
        }
    }

    /// Half widths of the body along x and how far back the skin lies: what a scan must show.
    pub(crate) fn half_width(&self) -> f32 {
        CAVITY[0] + 16.0 + self.fat
    }

    /// The body's back at the midline.
    pub(crate) fn back_y(&self) -> f32 {
        12.0 + 108.0 + 0.7 * self.fat + 2.0
    }

    /// The body's front at the midline.
    pub(crate) fn front_y(&self) -> f32 {
        12.0 - 108.0 - 0.9 * self.fat - 2.0
    }

    /// The cut at height `z`.
    pub(crate) fn level(&self, z: f32) -> Level {
        let shoulders = 42.0 * smoothstep(45.0, 115.0, z);
        let shallow = 14.0 * smoothstep(60.0, 125.0, z);
        let oval = |extra: [f32; 2], fat: f32| Oval {
            half_width: CAVITY[0] + extra[0] + shoulders + fat,
            half_depth: CAVITY[1] + extra[1] - shallow + fat * 0.8,
            center_y: CAVITY_Y + 7.0 - fat * 0.1,
        };
        let below = ((APEX_Z - z) / APEX_TAPER).clamp(0.0, 1.0);
        let width = (1.0 - (1.0 - below).powi(2)).sqrt().max(0.02);
        Level {
            z,
            skin: oval([16.0, 18.0], self.fat + 2.0),
            subcutis: oval([16.0, 18.0], self.fat),
            muscle: oval([16.0, 18.0], 0.0),
            cavity: Oval {
                half_width: CAVITY[0] * width,
                half_depth: CAVITY[1] * width.powf(0.8),
                center_y: CAVITY_Y + 14.0 * (1.0 - width),
            },
        }
    }

    /// Point on the cavity's wall at height `z`, `outward` mm outside it, in the direction
    /// `angle` from the right-left axis (0 is left, a quarter turn is the back).
    pub(crate) fn wall(&self, z: f32, angle: f32, outward: f32) -> Mm3 {
        let cavity = self.level(z).cavity;
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (cavity.half_width + outward, cavity.half_depth + outward);
        let reach = ((cos.abs() / a).powf(2.5) + (sin.abs() / b).powf(2.5)).powf(-0.4);
        [reach * cos, cavity.center_y + reach * sin, z]
    }

    /// Height of the diaphragm above or below a place.
    fn diaphragm(x: f32, y: f32) -> f32 {
        let dome = |side: Side| {
            let across = (x - side.sign() * 60.0) / 70.0;
            let along = (y + 5.0) / 80.0;
            DOMES_Z[usize::from(side == Side::Left)] - 38.0 * across * across - 40.0 * along * along
        };
        // At the midline both domes meet in a saddle.
        dome(Side::Right).max(dome(Side::Left))
    }

    /// Half width of what lies between the lungs.
    fn mediastinum(y: f32, z: f32) -> f32 {
        let middle = 20.0 * (-((y + 2.0) / 36.0).powi(2)).exp();
        let spine = 13.0 * smoothstep(28.0, 50.0, y);
        let inlet = 12.0 * smoothstep(40.0, 95.0, z);
        9.0 + middle + spine + inlet
    }

    /// What is at a place of a level.
    pub(crate) fn site(&self, level: &Level, x: f32, y: f32) -> Site {
        let z = level.z;
        // Outside the cavity no lung is near enough to matter.
        let site = |tissue| Site {
            tissue,
            depth: 0.0,
            lung: 50.0,
        };
        let mut skin = level.skin.distance(x, y);
        let mut subcutis = level.subcutis.distance(x, y);
        if let Some(breasts) = &self.breasts {
            let breast = breasts
                .iter()
                .map(|b| b.distance([x, y, z]))
                .fold(f32::MAX, f32::min);
            skin = skin.min(breast);
            subcutis = subcutis.min(breast + 2.0);
        }
        if skin > 0.0 {
            return site(Tissue::Air);
        }
        if subcutis > 0.0 {
            return site(Tissue::Skin);
        }
        let muscle = level.muscle.distance(x, y);
        if muscle > 0.0 {
            return site(Tissue::Fat);
        }
        let cavity = level.cavity.distance(x, y);
        if cavity > 0.0 || z > APEX_Z {
            return site(Tissue::Muscle);
        }
        self.cavity_site(x, y, z, -cavity)
    }

    fn cavity_site(&self, x: f32, y: f32, z: f32, depth: f32) -> Site {
        let above = z - Self::diaphragm(x, y);
        // The dome is steep at the wall: height above it is not distance from it.
        let above = above * 0.75;
        let beside = x.abs() - Self::mediastinum(y, z);
        let mut free = above
            .min(beside)
            .min(self.pericardium.distance([x, y, z]) - 1.5);
        if let Some(hernia) = &self.hernia {
            free = free.min(hernia.distance([x, y, z]) - 1.0);
        }
        let side = usize::from(x > 0.0);
        let fluid = self.effusion[side] * smoothstep(-45.0, 70.0, y) * smoothstep(75.0, -50.0, z);
        let in_fluid = fluid - depth;
        let lung = (-free).max(-depth).max(in_fluid);
        let site = |tissue| Site {
            tissue,
            depth,
            lung,
        };
        if lung < 0.0 {
            return site(Tissue::Lung);
        }
        if free > 0.0 && fluid > 0.5 {
            return site(Tissue::Effusion);
        }
        if above < 0.0 && beside.max(-above - 12.0) > 0.0 {
            return if above > -3.0 {
                site(Tissue::Diaphragm)
            } else if x < 22.0 {
                site(Tissue::Liver)
            } else {
                site(Tissue::LeftUpperAbdomen)
            };
        }
        site(Tissue::Mediastinum)
    }

    /// Distance to the surface of aerated lung, negative inside.
    pub(crate) fn lung(&self, [x, y, z]: Mm3) -> f32 {
        self.site(&self.level(z), x, y).lung
    }

    /// Depth of the pleural fluid on a side; 0 if there is none.
    pub(crate) fn fluid(&self, side: Side) -> f32 {
        self.effusion[usize::from(side == Side::Left)]
    }

    /// Depth of a place below the chest wall, millimetres.
    pub(crate) fn depth(&self, [x, y, z]: Mm3) -> f32 {
        -self.level(z).cavity.distance(x, y)
    }
}

/// Signed distance to the oblique fissure, positive in the lower lobe.
pub(crate) fn oblique_fissure(at: Mm3) -> f32 {
    // A plane from behind and above to before and below, a little curved.
    let bow = 6.0 * ((at[0].abs() - 70.0) / 50.0).powi(2);
    (at[1] - (55.0 + (at[2] - 50.0) * 0.74) - bow) * 0.8
}

/// Signed distance to the horizontal fissure, positive in the upper lobe; right lung only.
pub(crate) fn horizontal_fissure(at: Mm3) -> f32 {
    at[2] + 8.0 - 0.06 * (at[0] + 70.0)
}

/// The lobe a place of the lungs lies in.
pub(crate) fn lobe(at: Mm3) -> Lobe {
    let lower = oblique_fissure(at) > 0.0;
    match (at[0] < 0.0, lower) {
        (true, true) => Lobe::RightLower,
        (true, false) if horizontal_fissure(at) < 0.0 => Lobe::RightMiddle,
        (true, false) => Lobe::RightUpper,
        (false, true) => Lobe::LeftLower,
        (false, false) => Lobe::LeftUpper,
    }
}
