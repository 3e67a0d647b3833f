//! From findings to what is drawn of them, and where it can be found again.

mod devices;
mod tissue;

use super::body::{self, Body};
use super::field::{Field, Pattern};
use super::organs;
use super::solid::{Ellipsoid, Mm3, Shape, Solid, add, frame, length, scale, sub, unit};
use super::tree::Branch;
use super::{Marker, middle};
use crate::facts::{EmphysemaKind, FactSheet, Finding, Lobe, Side};
use crate::random::{Random, SmoothNoise};

/// Radiodensity of a plaque of calcium.
const CALCIUM: f32 = 950.0;
/// Markers a field gets.
const FIELD_MARKERS: usize = 8;

/// What findings add to a scene.
pub(super) struct Lesions<'a> {
    body: &'a Body,
    seed: u64,
    /// Scene millimetres per true millimetre.
    mm: f32,
    wide_bronchi: Vec<Lobe>,
    thick_bronchi: Vec<Lobe>,
    pub(super) fields: Vec<Field>,
    /// Drawn after the lungs' vessels.
    pub(super) in_lung: Vec<Shape>,
    /// Drawn last.
    pub(super) on_top: Vec<Shape>,
    pub(super) markers: Vec<Marker>,
}

impl<'a> Lesions<'a> {
    pub(super) fn new(facts: &FactSheet, body: &'a Body) -> Self {
        Self {
            body,
            seed: facts.seed,
            mm: 1.0 / facts.stature,
            wide_bronchi: Vec::new(),
            thick_bronchi: Vec::new(),
            fields: Vec::new(),
            in_lung: Vec::new(),
            on_top: Vec::new(),
            markers: Vec::new(),
        }
    }

    /// Draws a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        let label = finding.label();
        let purpose = format!("place {label}");
        let mut random = Random::new(self.seed, &purpose);
        let random = &mut random;
        match finding {
            Finding::MedicalMaterial(device) => self.device(*device),
            Finding::ArterialCalcification { severity, parts } => {
                let courses: Vec<Vec<(Mm3, f32)>> = parts
                    .iter()
                    .map(|part| organs::aorta(*part).to_vec())
                    .collect();
                let count = [4, 9, 18][severity.degree() - 1];
                self.plaques(label, &courses, count, [2.2, 4.2], random);
            }
            Finding::CoronaryCalcification { severity, vessels } => {
                let courses = vessels.iter().map(|vessel| {
                    let course = organs::coronary(self.body, *vessel);
                    course.into_iter().map(|at| (at, 0.8)).collect()
                });
                let courses: Vec<Vec<(Mm3, f32)>> = courses.collect();
                let count = [2, 4, 7][severity.degree() - 1];
                self.plaques(label, &courses, count, [1.7, 2.8], random);
            }
            Finding::Cardiomegaly(_) => {
                let heart = self.body.heart;
                // The left border is where a large heart is and a normal one is not.
                let direction = unit([0.35, 0.75, 0.1]);
                self.mark(label, heart.grown(-5.0).surface(direction), 3.0);
                self.mark(label, heart.grown(-6.0).surface(unit([0.9, 0.2, 0.3])), 3.0);
            }
            Finding::PericardialEffusion { .. } => {
                let (inner, outer) = (self.body.heart, self.body.pericardium);
                for direction in [[0.5, 0.8, 0.2], [0.3, -0.9, -0.2], [0.2, 0.5, -0.8]] {
                    let direction = unit(direction);
                    let at = scale(add(inner.surface(direction), outer.surface(direction)), 0.5);
                    self.mark(label, at, 1.2);
                }
            }
            Finding::HiatalHernia { .. } => {
                if let Some(hernia) = self.body.hernia {
                    // Beside the bubble, on both sides.
                    self.mark(label, hernia.surface([-0.85, 0.1, 0.0]), 2.0);
                    self.mark(label, hernia.surface([0.85, 0.1, 0.0]), 2.0);
                }
            }
            Finding::Lymphadenopathy(nodes) => {
                for node in nodes {
                    self.node(label, node.station, node.short_axis_mm * self.mm, random);
                }
            }
            Finding::Emphysema {
                severity,
                kind,
                lobes,
            } => {
                let degree = severity.degree() - 1;
                let pattern = match kind {
                    EmphysemaKind::Centrilobular => Pattern::Holes {
                        cell_mm: 11.0,
                        share: [0.40, 0.65, 0.90][degree],
                        radius: [0.42, 0.48, 0.55][degree],
                        depth_mm: f32::MAX,
                    },
                    EmphysemaKind::Paraseptal => Pattern::Holes {
                        cell_mm: [14.0, 17.0, 21.0][degree],
                        share: 0.9,
                        radius: 0.52,
                        depth_mm: [11.0, 16.0, 24.0][degree],
                    },
                };
                self.field(label, pattern, -990.0, lobes, random);
            }
            Finding::Atelectasis {
                severity,
                kind,
                lobes,
            } => {
                self.atelectasis(label, *severity, *kind, lobes, random);
            }
            Finding::LungNodule(nodules) => {
                for nodule in nodules {
                    self.nodule(label, nodule, random);
                }
            }
            Finding::LungOpacity { severity, lobes } => {
                let count = [2, 3, 5][severity.degree() - 1];
                let balls = self.clouds(lobes, count, [14.0, 28.0], 6.0, random);
                let pattern = Pattern::Clouds { balls, ragged: 0.5 };
                self.field(label, pattern, -560.0, lobes, random);
            }
            Finding::Consolidation { severity, lobes } => {
                let size = [[13.0, 18.0], [20.0, 28.0], [32.0, 44.0]][severity.degree() - 1];
                let balls = self.clouds(lobes, 1 + severity.degree() / 3, size, 8.0, random);
                let pattern = Pattern::Clouds {
                    balls,
                    ragged: 0.35,
                };
                self.field(label, pattern, 30.0, lobes, random);
            }
            Finding::FibroticSequela { kind, lobes } => {
                for &lobe in lobes {
                    self.fibrosis(label, *kind, lobe, random);
                }
            }
            Finding::PleuralEffusion { right_mm, left_mm } => {
                for (side, depth) in [(Side::Right, right_mm), (Side::Left, left_mm)] {
                    if let Some(depth) = depth {
                        self.mark_fluid(label, side, depth * self.mm);
                    }
                }
            }
            Finding::MosaicAttenuation(severity) => {
                let degree = severity.degree() - 1;
                let dark = [-895.0, -910.0, -925.0][degree];
                self.field(
                    label,
                    Pattern::Patches { high: false },
                    dark,
                    &Lobe::ALL,
                    random,
                );
                let light = [-740.0, -715.0, -690.0][degree];
                self.field(
                    label,
                    Pattern::Patches { high: true },
                    light,
                    &Lobe::ALL,
                    random,
                );
                // One noise makes both: what is not dark is light.
                if let [.., dark, light] = self.fields.as_mut_slice() {
                    dark.noise = light.noise;
                }
            }
            Finding::PeribronchialThickening(lobes) => self.thick_bronchi.clone_from(lobes),
            Finding::Bronchiectasis { lobes, .. } => self.wide_bronchi.clone_from(lobes),
            Finding::SeptalThickening { severity, lobes } => {
                let degree = severity.degree() - 1;
                let pattern = Pattern::Net {
                    cell_mm: 15.0,
                    wall_mm: [2.0, 2.5, 3.0][degree],
                    depth_mm: [28.0, 40.0, 60.0][degree],
                };
                self.field(label, pattern, -180.0, lobes, random);
            }
        }
    }

    fn mark(&mut self, label: usize, center: Mm3, radius: f32) {
        self.markers.push(Marker {
            label,
            center_lps_mm: center,
            radius_mm: radius,
        });
    }

    /// A place in a lobe, at least `margin` mm inside the lung if the lobe is as thick as that.
    fn place(&self, lobe: Lobe, margin: f32, random: &mut Random) -> Mm3 {
        let side = lobe.side().sign();
        let mut best = ([70.0 * side, 0.0, 0.0], f32::MAX);
        for attempt in 0..4000 {
            let at = [
                side * random.between(12.0, 125.0),
                random.between(-82.0, 92.0),
                random.between(-120.0, 100.0),
            ];
            if body::lobe(at) != lobe {
                continue;
            }
            let distance = self.body.lung(at);
            if distance < -margin {
                return at;
            }
            if distance < best.1 {
                best = (at, distance);
            }
            // Squeezed lobes must do with less.
            if attempt > 600 && best.1 < -2.0 {
                break;
            }
        }
        best.0
    }

    fn clouds(
        &self,
        lobes: &[Lobe],
        count: usize,
        [low, high]: [f32; 2],
        margin: f32,
        random: &mut Random,
    ) -> Vec<(Mm3, f32)> {
        let mut balls = Vec::new();
        for &lobe in lobes {
            for _ in 0..count {
                balls.push((self.place(lobe, margin, random), random.between(low, high)));
            }
        }
        balls
    }

    /// A field, with markers where its weight is full.
    fn field(
        &mut self,
        label: usize,
        pattern: Pattern,
        hu: f32,
        lobes: &[Lobe],
        random: &mut Random,
    ) {
        let purpose = format!("field {label}");
        let noise = SmoothNoise::new(self.seed, &purpose);
        let field = Field {
            pattern,
            hu,
            lobes: lobes.to_vec(),
            noise,
        };
        let mut found = 0;
        for _ in 0..3000 {
            let lobe = lobes[random.below(lobes.len())];
            let at = match &field.pattern {
                Pattern::Clouds { balls, .. } => {
                    let (center, radius) = balls[random.below(balls.len())];
                    add(
                        center,
                        scale(random.direction(), 0.5 * radius * random.unit()),
                    )
                }
                _ => self.place(lobe, 3.0, random),
            };
            let full = |at: Mm3| field.weight(at, self.body.depth(at)) > 0.9;
            let around = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            let solid = full(at)
                && (matches!(field.pattern, Pattern::Net { .. })
                    || around
                        .iter()
                        .all(|&step| full(add(at, step)) && full(sub(at, step))));
            if solid && self.body.lung(at) < -2.5 {
                self.mark(label, at, 1.0);
                found += 1;
                if found == FIELD_MARKERS {
                    break;
                }
            }
        }
        self.fields.push(field);
    }

    fn plaques(
        &mut self,
        label: usize,
        courses: &[Vec<(Mm3, f32)>],
        count: usize,
        size: [f32; 2],
        random: &mut Random,
    ) {
        for course in courses {
            for _ in 0..count.div_ceil(courses.len()) {
                let piece = random.below(course.len() - 1);
                let ((from, a), (to, b)) = (course[piece], course[piece + 1]);
                let part = random.unit();
                let along = sub(to, from);
                let [_, aside, up] = frame(along);
                let (sin, cos) = random.between(0.0, std::f32::consts::TAU).sin_cos();
                let outward = add(scale(aside, cos), scale(up, sin));
                let radius = a + (b - a) * part;
                let at = add(add(from, scale(along, part)), scale(outward, radius));
                let length = random.between(size[0], size[1]);
                let radii = [(0.5 * length).max(1.5), length, 1.2 * length];
                let plaque = Ellipsoid::along(at, radii, outward);
                self.on_top
                    .push(Shape::new(Solid::Ellipsoid(plaque), CALCIUM).bumpy(0.3));
                self.mark(label, at, 0.8);
            }
        }
    }

    /// Marks fluid in the middle of its layer, where it is deepest.
    fn mark_fluid(&mut self, label: usize, side: Side, depth: f32) {
        for z in [-55.0, -40.0, -25.0] {
            let outer = self.body.wall(z, 1.15, 0.0);
            let wall = [outer[0] * side.sign(), outer[1], z];
            let at = [wall[0] * 0.97, wall[1] - 0.4 * depth, z];
            self.mark(label, at, (0.15 * depth).min(3.0));
        }
    }

    /// Marks a bronchus that a finding made wider or thicker.
    pub(super) fn mark_bronchus(&mut self, artery: &Branch, wall: &Shape, lumen: &Shape) {
        let at = middle(&lumen.solid);
        let (Solid::Stick { from, to, radii }, Solid::Stick { radii: outer, .. }) =
            (&lumen.solid, &wall.solid)
        else {
            return;
        };
        if !(9..200).contains(&artery.supplies) || length(sub(*to, *from)) < 4.0 {
            return;
        }
        let inside = |at: Mm3| self.body.lung(at) < -3.0;
        if self.wide_bronchi.contains(&artery.lobe) && radii[0] > 1.8 && inside(at) {
            self.mark(16, at, 0.4 * radii[0]);
        }
        if self.thick_bronchi.contains(&artery.lobe) {
            let [_, aside, _] = frame(sub(*to, *from));
            let in_wall = add(at, scale(aside, 0.5 * (radii[0] + outer[0])));
            if inside(in_wall) {
                self.mark(14, in_wall, 0.5);
            }
        }
    }
}
