//! A phantom's inside: everything that a scan of it can show.

pub(crate) mod body;
pub(crate) mod field;
mod lesions;
mod organs;
pub(crate) mod skeleton;
pub(crate) mod solid;
mod tree;

use serde::Serialize;

use crate::facts::{FactSheet, Finding, Lobe, Severity, Side};
use crate::random::{Random, SmoothNoise};
use body::Body;
use field::Field;
use organs::{Blood, GAS};
use solid::{Mm3, Shape, Solid, add, scale};
use tree::Branch;

/// A place at which a finding shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Marker {
    /// Position of the finding's label in [`rad3d_report::CT_RATE_LABELS`].
    pub label: usize,
    /// Where, millimetres in the patient frame (LPS).
    pub center_lps_mm: [f32; 3],
    /// Radius of a ball around it that lies within the finding, millimetres.
    pub radius_mm: f32,
}

/// A phantom ready to be scanned. Cheap to make (some 10 ms); scan it as often as needed.
#[derive(Debug, Clone)]
pub struct Scene {
    pub(crate) facts: FactSheet,
    pub(crate) body: Body,
    /// Changes of lung, applied in order before any shape is drawn.
    pub(crate) fields: Vec<Field>,
    /// Drawn in order, later over earlier.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) texture: SmoothNoise,
    markers: Vec<Marker>,
}

/// Places supplied by the arteries, and drained by the veins, of a lung.
const ARTERIES: usize = 700;
const VEINS: usize = 450;
/// Radius of the finest vessels drawn.
const FINEST_MM: f32 = 0.66;

impl Scene {
    /// Builds what the facts say.
    #[must_use]
    pub fn new(facts: &FactSheet) -> Self {
        let body = Body::new(facts);
        let blood = Blood::of(facts);
        let mut lesions = lesions::Lesions::new(facts, &body);
        for finding in &facts.findings {
            lesions.add(finding);
        }
        let mut shapes = organs::digestion();
        shapes.extend(organs::circulation(&body, blood));
        shapes.extend(organs::hernia(&body));
        shapes.extend(organs::liver_veins(blood));
        let bronchi = Bronchi::of(facts);
        let (mut walls, mut lumina) = (Vec::new(), Vec::new());
        for side in [Side::Right, Side::Left] {
            let mut random = Random::new(facts.seed, side.word());
            let arteries = tree::grow(&body, side, tree::hilum(side), ARTERIES, &mut random);
            let veins = tree::grow(&body, side, tree::venous_hilum(side), VEINS, &mut random);
            let vessels = arteries
                .iter()
                .map(|branch| vessel(branch, blood.pulmonary));
            shapes.extend(vessels);
            shapes.extend(veins.iter().map(|branch| vessel(branch, blood.arterial)));
            for branch in &arteries {
                if let Some([wall, lumen]) = bronchi.beside(branch, side) {
                    walls.push(wall);
                    lumina.push(lumen);
                    lesions.mark_bronchus(branch, &wall, &lumen);
                }
            }
        }
        shapes.append(&mut walls);
        shapes.append(&mut lumina);
        shapes.extend(organs::airways());
        shapes.append(&mut lesions.in_lung);
        shapes.extend(skeleton::bones(&body));
        shapes.append(&mut lesions.on_top);
        let stature = facts.stature;
        let markers = lesions.markers.iter().map(|marker| Marker {
            center_lps_mm: scale(marker.center_lps_mm, stature),
            radius_mm: marker.radius_mm * stature,
            ..*marker
        });
        Self {
            facts: facts.clone(),
            markers: markers.collect(),
            fields: lesions.fields,
            shapes,
            texture: SmoothNoise::new(facts.seed, "texture"),
            body,
        }
    }

    /// The facts it was built from.
    #[must_use]
    pub fn facts(&self) -> &FactSheet {
        &self.facts
    }

    /// Places at which the findings show, at least one a finding.
    #[must_use]
    pub fn markers(&self) -> &[Marker] {
        &self.markers
    }
}

fn vessel(branch: &Branch, hu: f32) -> Shape {
    let radius = branch.radius(FINEST_MM);
    Shape::new(Solid::stick(branch.from, branch.to, radius), hu).in_lung()
}

/// How bronchi look, lobe by lobe.
struct Bronchi {
    /// Lobes with wide bronchi, and how much wider they are.
    wide: Vec<Lobe>,
    widening: f32,
    /// Lobes with thick sleeves.
    thick: Vec<Lobe>,
}

impl Bronchi {
    fn of(facts: &FactSheet) -> Self {
        let mut bronchi = Self {
            wide: Vec::new(),
            widening: 1.0,
            thick: Vec::new(),
        };
        for finding in &facts.findings {
            match finding {
                Finding::Bronchiectasis { severity, lobes } => {
                    bronchi.wide.clone_from(lobes);
                    bronchi.widening = match severity {
                        Severity::Mild => 2.1,
                        Severity::Moderate => 2.6,
                        Severity::Marked => 3.2,
                    };
                }
                Finding::PeribronchialThickening(lobes) => bronchi.thick.clone_from(lobes),
                _ => {}
            }
        }
        bronchi
    }

    /// Wall and lumen of the bronchus that runs with an artery; the finest are not drawn.
    fn beside(&self, artery: &Branch, side: Side) -> Option<[Shape; 2]> {
        let wide = self.wide.contains(&artery.lobe);
        let thick = self.thick.contains(&artery.lobe);
        let finest = if wide { 5 } else { 9 };
        if artery.supplies < finest {
            return None;
        }
        let mut lumen = 0.36 * (artery.supplies as f32).powf(0.42);
        let mut wall = (0.22 * lumen).clamp(0.45, 1.2);
        // The widest bronchi are normal main stems; what dilates lies further out.
        if wide && artery.supplies < 200 {
            lumen = (lumen * self.widening).min(7.5);
            wall = wall.max(1.1);
        }
        if thick && artery.supplies < 200 {
            wall += 1.8;
        }
        let away = artery.radius(FINEST_MM) + lumen + 0.6 * wall;
        let offset = scale([0.25 * side.sign(), 0.80, 0.55], away);
        let (from, to) = (add(artery.from, offset), add(artery.to, offset));
        let stick = |radius, hu| Shape::new(Solid::stick(from, to, radius), hu).in_lung();
        Some([stick(lumen + wall, 5.0), stick(lumen, GAS)])
    }
}

/// The middle of a stick or the centre of another solid.
pub(crate) fn middle(solid: &Solid) -> Mm3 {
    let (low, high) = solid.bounds();
    scale(add(low, high), 0.5)
}
