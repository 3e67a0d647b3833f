//! Draws side, lobe, size and severity of what is present.

use rad3d_report::CT_RATE_LABELS;

use super::{
    AortaPart, AtelectasisKind, Coronary, Device, EmphysemaKind, FactSheet, FibrosisKind, Finding,
    Lobe, Node, Nodule, NoduleKind, Severity, Sex, Side, Station, distribution,
};
use crate::random::Random;

/// The facts of a seed.
pub(super) fn fact_sheet(seed: u64) -> FactSheet {
    let mut random = Random::new(seed, "facts");
    let draw = distribution::draw(&mut random);
    sheet(seed, draw.age, &draw.present, random)
}

/// The facts of a seed but for what is present.
pub(super) fn with_labels(seed: u64, labels: &[usize]) -> FactSheet {
    let mut random = Random::new(seed, "facts");
    let draw = distribution::draw(&mut random);
    let present = std::array::from_fn(|label| labels.contains(&label));
    sheet(seed, draw.age, &present, random)
}

fn sheet(
    seed: u64,
    age: f32,
    present: &[bool; CT_RATE_LABELS.len()],
    mut random: Random,
) -> FactSheet {
    let age = (54.0 + 16.0 * age).round().clamp(18.0, 90.0);
    let sex = random.pick([Sex::Female, Sex::Male]);
    let average = if sex == Sex::Male { 1.03 } else { 0.96 };
    let stature = (average + 0.03 * random.normal()).clamp(0.9, 1.1);
    let fat_mm = (15.0 + 6.0 * random.normal()).clamp(5.0, 32.0);
    let contrast = random.chance(0.35);
    // Each finding has a stream of its own: one more finding leaves the others as they are.
    let findings = (0..present.len())
        .filter(|&label| present[label])
        .map(|label| {
            let mut random = Random::new(seed, CT_RATE_LABELS[label]);
            finding(label, &mut random)
        });
    let findings = findings.collect();
    FactSheet {
        seed,
        age: age as u32,
        sex,
        stature,
        fat_mm,
        contrast,
        findings,
    }
}

fn severity(random: &mut Random) -> Severity {
    random.pick([
        Severity::Mild,
        Severity::Mild,
        Severity::Moderate,
        Severity::Marked,
    ])
}

/// One to `most` of the items, in their own order.
fn some<T: Copy, const N: usize>(random: &mut Random, items: [T; N], most: usize) -> Vec<T> {
    let count = 1 + random.below(most.min(N));
    let mut order: Vec<usize> = (0..N).collect();
    random.shuffle(&mut order);
    order.truncate(count);
    order.sort_unstable();
    order.into_iter().map(|index| items[index]).collect()
}

fn millimetres(random: &mut Random, low: f32, high: f32) -> f32 {
    random.between(low, high).round()
}

fn finding(label: usize, random: &mut Random) -> Finding {
    let severity = severity(random);
    let side = random.pick([Side::Right, Side::Left]);
    let lower = [Lobe::RightLower, Lobe::LeftLower];
    let upper = [Lobe::RightUpper, Lobe::LeftUpper];
    match label {
        0 => {
            // Pacemakers usually lie on the left, ports on the right.
            let usual = random.chance(0.8);
            Finding::MedicalMaterial(random.pick([
                Device::Pacemaker(if usual { Side::Left } else { Side::Right }),
                Device::CentralLine(side),
                Device::Port(if usual { Side::Right } else { Side::Left }),
                Device::SternalWires,
            ]))
        }
        1 => Finding::ArterialCalcification {
            severity,
            parts: some(
                random,
                [AortaPart::Ascending, AortaPart::Arch, AortaPart::Descending],
                3,
            ),
        },
        2 => Finding::Cardiomegaly(severity),
        3 => Finding::PericardialEffusion {
            thickness_mm: millimetres(random, 5.0, 20.0),
        },
        4 => Finding::CoronaryCalcification {
            severity,
            vessels: some(
                random,
                [
                    Coronary::LeftAnteriorDescending,
                    Coronary::Circumflex,
                    Coronary::Right,
                ],
                3,
            ),
        },
        5 => Finding::HiatalHernia {
            diameter_mm: millimetres(random, 35.0, 75.0),
        },
        6 => {
            let stations = [
                Station::RightParatracheal,
                Station::Prevascular,
                Station::Subcarinal,
                Station::RightHilar,
                Station::LeftHilar,
                Station::Axillary(side),
            ];
            let stations = some(random, stations, 3).into_iter();
            let nodes = stations.map(|station| Node {
                station,
                short_axis_mm: millimetres(random, 11.0, 24.0),
            });
            Finding::Lymphadenopathy(nodes.collect())
        }
        7 => Finding::Emphysema {
            severity,
            kind: random.pick([
                EmphysemaKind::Centrilobular,
                EmphysemaKind::Centrilobular,
                EmphysemaKind::Paraseptal,
            ]),
            lobes: if random.chance(0.35) {
                Lobe::ALL.to_vec()
            } else {
                upper.to_vec()
            },
        },
        8 => Finding::Atelectasis {
            severity,
            kind: random.pick([AtelectasisKind::Linear, AtelectasisKind::Dependent]),
            lobes: some(random, lower, 2),
        },
        9 => {
            let count = random.pick([1, 1, 1, 2, 2, 3, 5]);
            let nodules = (0..count).map(|_| {
                let kind = random.pick([
                    NoduleKind::Solid,
                    NoduleKind::Solid,
                    NoduleKind::Solid,
                    NoduleKind::GroundGlass,
                    NoduleKind::Calcified,
                ]);
                let (low, high) = match kind {
                    NoduleKind::Solid => (4.0, 30.0),
                    NoduleKind::GroundGlass => (8.0, 22.0),
                    NoduleKind::Calcified => (4.0, 9.0),
                };
                // Small ones are the rule.
                let diameter_mm = (low + (high - low) * random.unit().powi(2)).round();
                Nodule {
                    lobe: random.pick(Lobe::ALL),
                    diameter_mm,
                    kind,
                }
            });
            let mut nodules: Vec<_> = nodules.collect();
            nodules.sort_by(|a, b| b.diameter_mm.total_cmp(&a.diameter_mm));
            Finding::LungNodule(nodules)
        }
        10 => Finding::LungOpacity {
            severity,
            lobes: some(random, Lobe::ALL, 5),
        },
        11 => {
            let kind = random.pick([FibrosisKind::Bands, FibrosisKind::Apical]);
            let lobes = match kind {
                FibrosisKind::Bands => some(random, Lobe::ALL, 2),
                FibrosisKind::Apical => some(random, upper, 2),
            };
            Finding::FibroticSequela { kind, lobes }
        }
        12 => {
            let mut depth = || millimetres(random, 10.0, 55.0);
            let (right, left) = (depth(), depth());
            let (right_mm, left_mm) = match random.below(3) {
                0 => (Some(right), None),
                1 => (None, Some(left)),
                _ => (Some(right), Some(left)),
            };
            Finding::PleuralEffusion { right_mm, left_mm }
        }
        13 => Finding::MosaicAttenuation(severity),
        14 => Finding::PeribronchialThickening(some(random, Lobe::ALL, 4)),
        15 => Finding::Consolidation {
            severity,
            lobes: some(random, Lobe::ALL, 2),
        },
        16 => Finding::Bronchiectasis {
            severity,
            lobes: some(random, Lobe::ALL, 3),
        },
        _ => Finding::SeptalThickening {
            severity,
            lobes: some(random, Lobe::ALL, 4),
        },
    }
}
