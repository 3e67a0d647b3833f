//! `cargo run -p rad3d-report --example sample_draft -- OUT.html [LUNG.png… -- MEDIASTINAL.png…]`
//!
//! Writes a draft with invented findings and probabilities, to look at the page's design.

use rad3d_report::{
    Classified, Draft, EmbeddingDistance, LabelSet, LabelValues, Labeler, Picture, Provenance,
    Report, Timing, Window, Writing, render,
};

const FINDINGS: &str = "\
The trachea and both main bronchi are open. Heart size is normal. No pericardial effusion is seen. \
Calcified plaques are present in the aortic arch and the coronary arteries. \
There are no enlarged mediastinal lymph nodes. A small sliding hiatal hernia is noted. \
Mild centrilobular emphysema is seen in both upper lobes. \
In the right lower lobe there is a patchy consolidation with ground-glass opacity around it. \
A 4 mm nodule is seen in the lingula. Linear atelectasis in the left lower lobe cannot be excluded. \
No pleural effusion or pneumothorax is seen. The upper abdominal organs are unremarkable.";

const IMPRESSION: &str = "\
Consolidation in the right lower lobe, most likely infectious. \
Mild emphysema and a 4 mm nodule in the lingula. Coronary artery calcification.";

/// Probability and threshold of each label, in CT-RATE's order.
const CLASSIFIED: [(f32, f32); 18] = [
    (0.04, 0.31),
    (0.83, 0.44),
    (0.09, 0.37),
    (0.05, 0.29),
    (0.71, 0.42),
    (0.38, 0.33),
    (0.61, 0.48),
    (0.77, 0.41),
    (0.36, 0.45),
    (0.29, 0.52),
    (0.84, 0.46),
    (0.41, 0.47),
    (0.58, 0.35),
    (0.06, 0.24),
    (0.21, 0.27),
    (0.88, 0.38),
    (0.12, 0.30),
    (0.10, 0.26),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments
        .next()
        .ok_or("usage: sample_draft OUT.html [LUNG.png… -- MEDIASTINAL.png…]")?;
    let mut window = Window::Lung;
    let mut pictures = Vec::new();
    for path in arguments {
        if path == "--" {
            window = Window::Mediastinal;
            continue;
        }
        let caption = format!("axial, slice {}", 40 + 45 * (pictures.len() % 4));
        pictures.push(Picture {
            window,
            caption,
            png: std::fs::read(path)?,
        });
    }

    let labels = LabelSet::ct_rate();
    let probabilities = LabelValues::from_fn(labels.clone(), |index, _| CLASSIFIED[index].0);
    let thresholds = LabelValues::from_fn(labels, |index, _| CLASSIFIED[index].1);
    let classified = Classified::new(probabilities, thresholds)?;
    let report = Report::from_sections(FINDINGS, IMPRESSION);
    let labeler = Labeler::ct_rate()?;
    let mut draft = Draft::new(
        "invented-case/series-2",
        "none (invented text)",
        report,
        classified,
        &labeler,
    )?;
    draft.mean_token_log_probability = Some(-0.42);
    draft.writing = Some(Writing {
        method: "greedy".into(),
        tokens: 214,
        ended_by_itself: true,
    });
    for (index, sentence) in draft.agreement.sentences.iter_mut().enumerate() {
        sentence.mean_token_log_probability = Some(-0.11 * (index % 5 + 1) as f64);
    }
    draft.embedding = Some(EmbeddingDistance {
        distance: 11.8,
        typical: 9.6,
        limit: 19.0,
    });
    draft
        .warnings
        .push("Invented findings and probabilities, to show the page's design.".into());
    draft.provenance = [
        (
            "Input",
            "series-2, 312 slices of 1.0 mm, 512 × 512, 0.74 mm",
        ),
        (
            "Input sha256",
            "9f2c5b0d7c1e4a8896d3f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5",
        ),
        ("Recipe", "ct-clip: 240 × 480 × 480 at 1.5 × 0.75 × 0.75 mm"),
        ("Hounsfield units", "slope 1, intercept -1024, applied once"),
        ("Device", "cpu, 2 threads"),
    ]
    .map(|(name, value)| Provenance {
        name: name.into(),
        value: value.into(),
    })
    .into();
    draft.timings = [
        ("Reading", 0.81),
        ("Image tower", 6.92),
        ("Text", 3.4),
        ("Checks", 0.01),
    ]
    .map(|(step, seconds)| Timing {
        step: step.into(),
        seconds,
    })
    .into();
    std::fs::write(&out, render::html(&draft, &pictures)?)?;
    std::fs::write(format!("{out}.txt"), render::text(&draft))?;
    std::fs::write(format!("{out}.md"), render::markdown(&draft))?;
    Ok(())
}
