//! The words: templates for every finding, for what is normal, and for the impression.
//!
//! All sentences are our own. They keep to wordings that a reader, and the labeler of
//! `rad3d-report`, understands without doubt.

use super::grammar::list;
use crate::facts::{
    AortaPart, AtelectasisKind, Coronary, Device, EmphysemaKind, FibrosisKind, Finding, Lobe, Node,
    Nodule, NoduleKind, Severity, Side, Station,
};

/// Templates for one finding with the words for their slots.
pub(super) struct Phrases {
    /// For the findings section.
    pub(super) findings: &'static [&'static str],
    /// For the impression.
    pub(super) impression: &'static [&'static str],
    /// Slots of both.
    pub(super) slots: Vec<(&'static str, String)>,
    /// Further whole sentences of the findings section, as templates.
    pub(super) more: Vec<(&'static str, Vec<(&'static str, String)>)>,
}

/// The lobes as a reader would sum them up.
fn lobes(lobes: &[Lobe]) -> String {
    use Lobe::{LeftLower, LeftUpper, RightLower, RightMiddle, RightUpper};
    match lobes {
        [RightUpper, RightMiddle, RightLower, LeftUpper, LeftLower] => {
            "all lobes of both lungs".into()
        }
        [RightLower, LeftLower] => "both lower lobes".into(),
        [RightUpper, LeftUpper] => "both upper lobes".into(),
        [RightUpper, RightMiddle, RightLower] => "all lobes of the right lung".into(),
        [LeftUpper, LeftLower] => "both lobes of the left lung".into(),
        lobes => {
            let names: Vec<&str> = lobes.iter().map(|lobe| lobe.name()).collect();
            format!("the {}", list(&names))
        }
    }
}

fn degree(severity: Severity) -> String {
    match severity {
        Severity::Mild => "mild",
        Severity::Moderate => "moderate",
        Severity::Marked => "marked",
    }
    .into()
}

fn amount(severity: Severity) -> String {
    match severity {
        Severity::Mild => "a few",
        Severity::Moderate => "several",
        Severity::Marked => "extensive",
    }
    .into()
}

/// "7 mm", from 10 mm on sometimes "1.2 cm" in reports; here always one unit a number.
fn size(mm: f32) -> String {
    if mm >= 20.0 && mm % 10.0 == 0.0 {
        format!("{} cm", mm / 10.0)
    } else {
        format!("{mm} mm")
    }
}

fn fluid_amount(mm: f32) -> &'static str {
    if mm < 20.0 {
        "small"
    } else if mm < 38.0 {
        "moderate"
    } else {
        "large"
    }
}

fn station(station: Station) -> String {
    match station {
        Station::RightParatracheal => "right paratracheal".into(),
        Station::Prevascular => "prevascular".into(),
        Station::Subcarinal => "subcarinal".into(),
        Station::RightHilar => "right hilar".into(),
        Station::LeftHilar => "left hilar".into(),
        Station::Axillary(side) => format!("{} axillary", side.word()),
    }
}

fn aorta(part: AortaPart) -> &'static str {
    match part {
        AortaPart::Ascending => "ascending aorta",
        AortaPart::Arch => "aortic arch",
        AortaPart::Descending => "descending aorta",
    }
}

fn coronary(vessel: Coronary) -> &'static str {
    match vessel {
        Coronary::LeftAnteriorDescending => "LAD",
        Coronary::Circumflex => "circumflex",
        Coronary::Right => "right coronary",
    }
}

fn nodule_kind(kind: NoduleKind) -> &'static str {
    match kind {
        NoduleKind::Solid => "solid",
        NoduleKind::GroundGlass => "ground-glass",
        NoduleKind::Calcified => "calcified",
    }
}

/// What is said of a finding.
pub(super) fn of(finding: &Finding) -> Phrases {
    let say = |findings, impression, slots| Phrases {
        findings,
        impression,
        slots,
        more: Vec::new(),
    };
    match finding {
        Finding::MedicalMaterial(device) => device_phrases(*device),
        Finding::ArterialCalcification { severity, parts } => {
            let parts: Vec<&str> = parts.iter().map(|part| aorta(*part)).collect();
            say(
                &[
                    "[there are|one sees] {amount} calcified [atheroma |]plaques in the wall of the {parts}",
                    "{amount} wall calcifications are [seen|present|noted] in the {parts}",
                    "the wall of the {parts} shows {amount} [calcified|calcific] atherosclerotic plaques",
                    "[calcific atheromatous changes|atherosclerotic calcifications] of {degree} degree are [noted|observed] in the {parts}",
                ],
                &[
                    "[aortic|thoracic aortic] [wall calcification|atherosclerosis with calcified plaques]",
                    "{degree} atherosclerotic calcification of the aorta",
                    "calcified plaques in the aorta",
                ],
                vec![
                    ("amount", amount(*severity)),
                    ("degree", degree(*severity)),
                    ("parts", list(&parts)),
                ],
            )
        }
        Finding::Cardiomegaly(severity) => say(
            &[
                "the heart is {degree} enlarged",
                "heart size is {degree} increased",
                "there is {kind} cardiomegaly",
                "the cardiac silhouette is {degree} enlarged, with [the cardiothoracic ratio above one half|a transverse diameter of more than half of the chest]",
            ],
            &[
                "{kind} cardiomegaly",
                "[cardiomegaly|enlarged heart]",
                "{degree} enlarged heart",
            ],
            vec![
                ("degree", format!("{}ly", degree(*severity))),
                ("kind", degree(*severity)),
            ],
        ),
        Finding::PericardialEffusion { thickness_mm } => say(
            &[
                "[there is a pericardial effusion [measuring up to|with a thickness of] {size}|a pericardial effusion of {size} is [present|seen|noted]]",
                "pericardial effusion [reaching|of up to] {size} in thickness is [seen|observed]",
                "fluid of {size} is [seen|noted] in the pericardial space",
            ],
            &[
                "pericardial effusion",
                "{amount} pericardial effusion",
                "pericardial effusion of {size}",
            ],
            vec![
                ("size", size(*thickness_mm)),
                (
                    "amount",
                    if *thickness_mm < 11.0 {
                        "small"
                    } else {
                        "moderate"
                    }
                    .into(),
                ),
            ],
        ),
        Finding::CoronaryCalcification { severity, vessels } => {
            let names: Vec<&str> = vessels.iter().map(|vessel| coronary(*vessel)).collect();
            say(
                &[
                    "[there are|one sees] {amount} coronary calcifications, [involving|in] the {vessels}",
                    "{amount} calcified plaques are [seen|noted|present] in the coronary arteries ({vessels})",
                    "the coronary arteries show {degree} calcification in the {vessels} territory",
                    "{degree} coronary artery calcification is [observed|noted], [located in|affecting] the {vessels}",
                ],
                &[
                    "{degree} coronary artery calcification",
                    "coronary [artery |]calcifications",
                    "coronary atherosclerosis with calcified plaques",
                ],
                vec![
                    ("amount", amount(*severity)),
                    ("degree", degree(*severity)),
                    ("vessels", list(&names)),
                ],
            )
        }
        Finding::HiatalHernia { diameter_mm } => say(
            &[
                "a [sliding |]hiatal hernia [of|measuring] {size} is [seen|present|noted] behind the heart",
                "there is a {grade} hiatal hernia with [a|an] [air and fluid containing|partly air filled] gastric pouch above the diaphragm",
                "part of the stomach lies above the diaphragm, in keeping with a [sliding |]hiatal hernia [of {size}|]",
            ],
            &[
                "hiatal hernia",
                "{grade} hiatal hernia",
                "[sliding|retrocardiac] hiatal hernia",
            ],
            vec![
                ("size", size(*diameter_mm)),
                (
                    "grade",
                    if *diameter_mm < 50.0 {
                        "small"
                    } else {
                        "large"
                    }
                    .into(),
                ),
            ],
        ),
        Finding::Lymphadenopathy(nodes) => nodes_phrases(nodes),
        Finding::Emphysema {
            severity,
            kind,
            lobes: where_,
        } => say(
            &[
                "{degree} {kind} emphysema is [seen|present|noted] in {lobes}",
                "there is {degree} emphysema of {kind} type in {lobes}",
                "{lobes} [show|demonstrate] {degree} {kind} emphysematous changes",
                "emphysematous areas of {kind} distribution are [seen|observed] in {lobes}, {degree} in extent",
            ],
            &[
                "{degree} {kind} emphysema",
                "[emphysema|emphysematous lungs]",
                "emphysema in {lobes}",
            ],
            vec![
                ("degree", degree(*severity)),
                (
                    "kind",
                    match kind {
                        EmphysemaKind::Centrilobular => "centrilobular",
                        EmphysemaKind::Paraseptal => "paraseptal",
                    }
                    .into(),
                ),
                ("lobes", plural(where_)),
            ],
        ),
        Finding::Atelectasis {
            severity,
            kind,
            lobes: where_,
        } => {
            let findings: &[&str] = match kind {
                AtelectasisKind::Linear => &[
                    "{degree} linear atelectasis is [seen|present|noted] in {lobes}",
                    "[plate-like|discoid|subsegmental] atelectatic changes are [seen|observed] in {lobes}",
                    "there is {degree} subsegmental atelectasis in {lobes}",
                ],
                AtelectasisKind::Dependent => &[
                    "{degree} [dependent|compressive|passive] atelectasis is [seen|present|noted] in {lobes}",
                    "the [dependent|posterior] parts of {lobes} show {degree} atelectasis",
                    "atelectatic lung is [seen|observed] posteriorly in {lobes}, {degree} in extent",
                ],
            };
            let impression: &[&str] = match kind {
                AtelectasisKind::Linear => &[
                    "linear atelectasis in {lobes}",
                    "[subsegmental|plate-like] atelectasis",
                    "{degree} linear atelectasis",
                ],
                AtelectasisKind::Dependent => &[
                    "atelectasis in {lobes}",
                    "[dependent|passive] atelectasis",
                    "{degree} atelectasis in {lobes}",
                ],
            };
            say(
                findings,
                impression,
                vec![("degree", degree(*severity)), ("lobes", lobes(where_))],
            )
        }
        Finding::LungNodule(nodules) => nodule_phrases(nodules),
        Finding::LungOpacity {
            severity,
            lobes: where_,
        } => say(
            &[
                "[patchy|hazy|ill-defined] ground-glass opacities are [seen|present|noted|observed] in {lobes}",
                "there are {amount} [patchy |]ground-glass opacities in {lobes}",
                "{lobes} [show|demonstrate] {degree} [patchy |]ground-glass opacification",
                "{amount} areas of ground-glass opacity are [seen|noted] in {lobes}",
            ],
            &[
                "ground-glass opacities in {lobes}",
                "{degree} ground-glass opacities, [infection should be considered|for clinical correlation]",
                "[patchy|multifocal] ground-glass opacities",
            ],
            vec![
                ("degree", degree(*severity)),
                ("amount", amount(*severity)),
                ("lobes", plural(where_)),
            ],
        ),
        Finding::FibroticSequela {
            kind,
            lobes: where_,
        } => {
            let findings: &[&str] = match kind {
                FibrosisKind::Bands => &[
                    "fibrotic bands [reaching the pleura |]are [seen|present|noted] in {lobes}",
                    "parenchymal bands of sequela type are [seen|observed] in {lobes}",
                    "there are [linear |]fibrotic sequelae in {lobes}",
                ],
                FibrosisKind::Apical => &[
                    "[apical|pleuroparenchymal] scarring is [seen|present|noted] at the apex of {lobes}",
                    "fibrotic sequela changes are [seen|observed] in the apical parts of {lobes}",
                    "there are apical fibrotic scars in {lobes}",
                ],
            };
            let impression: &[&str] = &[
                "fibrotic sequelae in {lobes}",
                "[sequela|fibrotic sequela] changes [in the lungs|in {lobes}]",
                "[old |]fibrotic scarring in {lobes}",
            ];
            say(findings, impression, vec![("lobes", lobes(where_))])
        }
        Finding::PleuralEffusion { right_mm, left_mm } => effusion_phrases(*right_mm, *left_mm),
        Finding::MosaicAttenuation(severity) => say(
            &[
                "a {degree} mosaic attenuation pattern is [seen|present|noted] in both lungs",
                "both lungs show [a |]{degree} mosaic attenuation",
                "lung attenuation is [inhomogeneous|uneven] with a {degree} mosaic pattern",
            ],
            &[
                "mosaic attenuation pattern",
                "{degree} mosaic attenuation [in both lungs|, small airway disease should be considered]",
            ],
            vec![("degree", degree(*severity))],
        ),
        Finding::PeribronchialThickening(where_) => say(
            &[
                "peribronchial thickening is [seen|present|noted] in {lobes}",
                "there is peribronchial [wall |]thickening in {lobes}",
                "{lobes} [show|demonstrate] peribronchial cuffing",
            ],
            &[
                "peribronchial thickening",
                "peribronchial thickening in {lobes}",
                "peribronchial cuffing[|, bronchitis should be considered]",
            ],
            vec![("lobes", plural(where_))],
        ),
        Finding::Consolidation {
            severity,
            lobes: where_,
        } => say(
            &[
                "{article} consolidation [with air bronchograms |]is [seen|present|noted|observed] in {lobes}",
                "there is {article} [area of |]consolidation in {lobes}",
                "[airspace consolidation|consolidation] of {degree} extent [is seen|is noted] in {lobes}",
            ],
            &[
                "consolidation in {lobes}",
                "{article} consolidation in {lobes}, [pneumonia should be considered first|clinical correlation is advised]",
                "[pneumonic consolidation|airspace consolidation] in {lobes}",
            ],
            vec![
                ("degree", degree(*severity)),
                (
                    "article",
                    match severity {
                        Severity::Mild => "a small",
                        Severity::Moderate => "a moderate",
                        Severity::Marked => "an extensive",
                    }
                    .into(),
                ),
                ("lobes", lobes(where_)),
            ],
        ),
        Finding::Bronchiectasis {
            severity,
            lobes: where_,
        } => say(
            &[
                "{degree} [cylindrical |tubular |]bronchiectasis is [seen|present|noted] in {lobes}",
                "there is {degree} bronchiectasis in {lobes}",
                "bronchiectatic changes of {degree} degree are [seen|observed] in {lobes}",
                "{degree} dilatation of the bronchi, in keeping with bronchiectasis, is [seen|noted] in {lobes}",
            ],
            &[
                "{degree} bronchiectasis in {lobes}",
                "[bronchiectasis|cylindrical bronchiectasis]",
            ],
            vec![("degree", degree(*severity)), ("lobes", lobes(where_))],
        ),
        Finding::SeptalThickening {
            severity,
            lobes: where_,
        } => say(
            &[
                "{degree} interlobular septal thickening is [seen|present|noted] in {lobes}",
                "there is {degree} thickening of the interlobular septa in {lobes}",
                "{lobes} [show|demonstrate] {degree} [smooth |]interlobular septal thickening",
            ],
            &[
                "interlobular septal thickening",
                "{degree} interlobular septal thickening[ in {lobes}|, interstitial oedema should be considered]",
            ],
            vec![("degree", degree(*severity)), ("lobes", plural(where_))],
        ),
    }
}

/// Lobes as a subject of "show": one lobe gets company that keeps the verb right.
fn plural(where_: &[Lobe]) -> String {
    match where_ {
        [one] => format!("parts of the {}", one.name()),
        several => lobes(several),
    }
}

fn device_phrases(device: Device) -> Phrases {
    let (findings, impression, side): (
        &'static [&'static str],
        &'static [&'static str],
        Option<Side>,
    ) = match device {
        Device::Pacemaker(side) => (
            &[
                "a [cardiac |]pacemaker is [seen|present|noted] in the {side} chest wall with its lead in the right ventricle",
                "there is a pacemaker generator under the skin of the {side} anterior chest, its lead ends in the right ventricle",
            ],
            &["pacemaker [in place|on the {side}]"],
            Some(side),
        ),
        Device::CentralLine(side) => (
            &[
                "a central venous catheter [enters|has been placed] from the {side} with its tip in the superior vena cava",
                "there is a {side} central venous catheter ending in the superior vena cava",
            ],
            &[
                "central venous catheter in place",
                "{side} central venous catheter",
            ],
            Some(side),
        ),
        Device::Port(side) => (
            &[
                "a port chamber is [seen|present|noted] in the {side} anterior chest wall, its catheter ends in the superior vena cava",
                "there is a {side} sided port catheter with its tip in the superior vena cava",
            ],
            &["port catheter in place", "{side} port catheter"],
            Some(side),
        ),
        Device::SternalWires => (
            &[
                "sternotomy wires are [seen|present|noted]",
                "there are metallic sternal wires [after sternotomy|]",
            ],
            &[
                "sternotomy wires",
                "status post sternotomy with sternal wires",
            ],
            None,
        ),
    };
    let slots = side
        .map(|side| ("side", side.word().to_owned()))
        .into_iter()
        .collect();
    Phrases {
        findings,
        impression,
        slots,
        more: Vec::new(),
    }
}

fn nodes_phrases(nodes: &[Node]) -> Phrases {
    let names: Vec<String> = nodes.iter().map(|node| station(node.station)).collect();
    let largest = nodes
        .iter()
        .map(|node| node.short_axis_mm)
        .fold(0.0, f32::max);
    Phrases {
        findings: &[
            "enlarged {stations} lymph nodes are [seen|present|noted], the largest [with a short axis of|measuring] {size}",
            "there are [pathologically |]enlarged lymph nodes in {stations} location, up to {size} in short axis",
            "{stations} lymphadenopathy is [seen|present|noted] with a short axis of up to {size}",
        ],
        impression: &[
            "{stations} lymphadenopathy",
            "enlarged {stations} lymph nodes",
            "lymphadenopathy[ of up to {size}|]",
        ],
        slots: vec![("stations", list(&names)), ("size", size(largest))],
        more: Vec::new(),
    }
}

fn nodule_phrases(nodules: &[Nodule]) -> Phrases {
    let slots = |nodule: &Nodule| {
        vec![
            ("size", size(nodule.diameter_mm)),
            ("kind", nodule_kind(nodule.kind).to_owned()),
            ("lobe", format!("the {}", nodule.lobe.name())),
        ]
    };
    let mut all = nodules.first().map(slots).unwrap_or_default();
    all.push((
        "count",
        match nodules.len() {
            2 => "two",
            3 => "three",
            _ => "multiple",
        }
        .into(),
    ));
    let several = nodules.len() > 1;
    let further = nodules.iter().skip(1).take(2);
    Phrases {
        findings: if several {
            &[
                "{count} pulmonary nodules are [seen|present|noted], the largest is a {kind} nodule of {size} in {lobe}",
                "there are {count} nodules in the lungs, the largest a {kind} nodule of {size} in {lobe}",
                "{count} lung nodules are [seen|observed]; the largest, a {kind} nodule in {lobe}, measures {size}",
            ]
        } else {
            &[
                "a {kind} nodule [of|measuring] {size} [in diameter |]is [seen|present|noted] in {lobe}",
                "there is a {size} {kind} pulmonary nodule in {lobe}",
                "{lobe} contains a {kind} nodule of {size}",
                "a nodule of {size} is [seen|observed] in {lobe}, {kind} in appearance",
            ]
        },
        impression: if several {
            &[
                "{count} [pulmonary|lung] nodules[, the largest {size}|]",
                "{count} nodules in the lungs, the largest in {lobe}",
            ]
        } else {
            &[
                "[pulmonary nodule|lung nodule|nodule] in {lobe}",
                "{size} {kind} nodule in {lobe}[, follow-up is advised|]",
            ]
        },
        slots: all,
        more: further
            .map(|nodule| {
                let template =
                    "[another|a further] {kind} nodule of {size} [lies|is seen] in {lobe}";
                (template, slots(nodule))
            })
            .collect(),
    }
}

fn effusion_phrases(right_mm: Option<f32>, left_mm: Option<f32>) -> Phrases {
    let both: &[&str] = &[
        "bilateral pleural effusions are [seen|present|noted], {right} in depth on the right and {left} on the left",
        "there is pleural effusion on both sides, [reaching|measuring] {right} on the right and {left} on the left",
    ];
    let one: &[&str] = &[
        "a {amount} {side} pleural effusion [with a depth of|measuring up to] {size} is [seen|present|noted]",
        "there is a {amount} pleural effusion on the {side}, up to {size} deep",
        "pleural effusion of {size} in depth is [seen|observed] on the {side}",
    ];
    let words = |findings, impression, slots| Phrases {
        findings,
        impression,
        slots,
        more: Vec::new(),
    };
    match (right_mm, left_mm) {
        (Some(right), Some(left)) => words(
            both,
            &[
                "bilateral pleural effusion",
                "[pleural effusion on both sides|bilateral pleural effusions]",
            ],
            vec![("right", size(right)), ("left", size(left))],
        ),
        (right, left) => {
            let side = if right.is_some() {
                Side::Right
            } else {
                Side::Left
            };
            let depth = right.or(left).unwrap_or_default();
            words(
                one,
                &[
                    "{side} pleural effusion",
                    "{amount} {side} pleural effusion",
                    "pleural effusion on the {side}",
                ],
                vec![
                    ("side", side.word().into()),
                    ("size", size(depth)),
                    ("amount", fluid_amount(depth).into()),
                ],
            )
        }
    }
}

/// A thing that may be said when none of `labels` is present.
pub(super) struct Normal {
    pub(super) labels: &'static [usize],
    /// How often it is said.
    pub(super) chance: f32,
    pub(super) templates: &'static [&'static str],
}

/// What is normal before, among and after the findings; see [`super::TOPICS`].
pub(super) const NORMAL: [Normal; 18] = [
    Normal {
        labels: &[],
        chance: 0.85,
        templates: &[
            "the trachea and both main bronchi are [open|patent]",
            "[central airways are|the central airways are] [patent|open]",
            "trachea and main bronchi are of normal calibre [and patent|]",
        ],
    },
    Normal {
        labels: &[2],
        chance: 0.8,
        templates: &[
            "heart size is [normal|within normal limits]",
            "the heart is [normal in size|of normal size]",
            "heart [contours and size are|size and contours are] normal",
        ],
    },
    Normal {
        labels: &[3],
        chance: 0.7,
        templates: &[
            "no pericardial effusion [is seen|was detected|]",
            "there is no pericardial effusion",
            "pericardial effusion [is|was] not [seen|observed]",
        ],
    },
    Normal {
        labels: &[1],
        chance: 0.5,
        templates: &[
            "the thoracic aorta is of normal calibre",
            "[calibre of the great vessels is|the great vessels are] normal",
            "no aneurysm of the aorta is seen",
        ],
    },
    Normal {
        labels: &[4],
        chance: 0.25,
        templates: &[
            "no coronary artery calcification is [seen|noted]",
            "the coronary arteries show no calcification",
        ],
    },
    Normal {
        labels: &[5],
        chance: 0.5,
        templates: &[
            "the oesophagus is [unremarkable|normal]",
            "no hiatal hernia is [seen|present]",
            "the course and calibre of the oesophagus are normal",
        ],
    },
    Normal {
        labels: &[6],
        chance: 0.85,
        templates: &[
            "no [enlarged|pathologically enlarged] lymph node is [seen|detected] in the mediastinum, hila or axillae",
            "there is no [mediastinal or hilar|mediastinal, hilar or axillary] lymphadenopathy",
            "mediastinal and hilar lymphadenopathy was not [seen|detected|observed]",
        ],
    },
    Normal {
        labels: &[7, 8, 9, 10, 11, 13, 14, 15, 16, 17],
        chance: 1.0,
        templates: &[
            "both lungs are well aerated [|and clear]",
            "aeration of both lungs is normal",
            "the lung parenchyma [is|appears] normal on both sides",
        ],
    },
    Normal {
        labels: &[9],
        chance: 0.6,
        templates: &[
            "no [suspicious |]nodule or mass is [seen|detected] in the lungs",
            "there is no pulmonary nodule [or mass|]",
            "no [nodular|mass] lesion is [seen|found] in either lung",
        ],
    },
    Normal {
        labels: &[10, 15],
        chance: 0.6,
        templates: &[
            "no consolidation or ground-glass opacity is [seen|detected]",
            "there is no [pneumonic infiltration|active infiltration] in either lung",
            "consolidation was not [seen|detected] in either lung",
        ],
    },
    Normal {
        labels: &[7],
        chance: 0.12,
        templates: &["no emphysema is [seen|noted]"],
    },
    Normal {
        labels: &[16],
        chance: 0.12,
        templates: &[
            "no bronchiectasis is [seen|noted]",
            "the bronchi are of normal calibre",
        ],
    },
    Normal {
        labels: &[17],
        chance: 0.10,
        templates: &["no interlobular septal thickening is [seen|noted]"],
    },
    Normal {
        labels: &[12],
        chance: 0.85,
        templates: &[
            "no pleural effusion [or thickening |]is [seen|detected]",
            "there is no pleural effusion [on either side|or pneumothorax]",
            "the pleural spaces are [free|clear]",
        ],
    },
    Normal {
        labels: &[0],
        chance: 0.0,
        templates: &[],
    },
    Normal {
        labels: &[],
        chance: 0.7,
        templates: &[
            "the upper abdominal organs included in the scan are [unremarkable|normal]",
            "[liver and spleen, as far as shown, are|the partly shown liver and spleen are] [unremarkable|normal]",
            "no abnormality is seen in the upper abdomen",
        ],
    },
    Normal {
        labels: &[],
        chance: 0.7,
        templates: &[
            "no [lytic or destructive|destructive] lesion is seen in the bones",
            "the bones [shown |]are [unremarkable|intact]",
            "vertebral body heights are preserved",
        ],
    },
    Normal {
        labels: &[],
        chance: 0.2,
        templates: &[
            "the soft tissues of the chest wall are [unremarkable|normal]",
            "no abnormality of the chest wall is seen",
        ],
    },
];

/// The impression when nothing is abnormal.
pub(super) const NOTHING: &[&str] = &[
    "[normal chest CT|chest CT within normal limits]",
    "no significant abnormality [is seen|was detected] [in the chest|]",
    "no acute [cardiopulmonary |thoracic |]abnormality",
    "findings within normal limits",
];
