//! Makes a small study of made-up reports, to look at its pages: `sample_study DIR`; then, with the
//! file that the sheet saved, `sample_study DIR answers-anna.json`.

use std::path::PathBuf;

use rad3d_metrics::{Bootstrap, ReportText};
use rad3d_reader_study::{
    Analysis, Design, Material, Pictures, Ratings, ReferenceRole, SheetMaker, System, render,
};

/// What each system says of a nodule on the right.
const TEXTS: [(&str, &str); 3] = [
    (
        "reference",
        "The trachea and main bronchi are open. A solid nodule of 8 mm lies in the right upper lobe. \
         No pleural effusion. Heart size is within normal limits.",
    ),
    (
        "mirror",
        "The trachea and main bronchi are open. A solid nodule of 8 mm lies in the left upper lobe. \
         No pleural effusion.",
    ),
    ("short", "The lungs are clear."),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("give a folder")?;
    let answers: Vec<PathBuf> = arguments.collect();
    let reports = |text: &str| -> Vec<ReportText> {
        let report = |case| ReportText::sections(format!("case{case}"), text, "See above.");
        (1..=6).map(report).collect()
    };
    let [reference, systems @ ..] = TEXTS;
    let material = Material {
        references: reports(reference.1),
        systems: systems
            .map(|(name, text)| System {
                name: name.into(),
                reports: reports(text),
            })
            .into(),
    };
    let design = Design {
        cases: None,
        readers: vec!["anna".into()],
        repeats: 0.5,
        reference: ReferenceRole::Rated,
        seed: 1,
    };
    let key = design.draw(&material)?;
    let pictures = Pictures::default();
    let maker = SheetMaker {
        key: &key,
        material: &material,
        pictures: &pictures,
        shows_ids: true,
    };
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("key.json"), key.to_json()?)?;
    for reader in &key.readers {
        let name = format!("{}.html", reader.name);
        std::fs::write(folder.join(name), maker.html(reader)?)?;
    }
    if !answers.is_empty() {
        let analysis = Analysis::of(&Ratings::read(key, &answers)?, Bootstrap::default())?;
        std::fs::write(folder.join("analysis.html"), render::html(&analysis)?)?;
    }
    Ok(())
}
