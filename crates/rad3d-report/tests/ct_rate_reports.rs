//! The labeler against 800 labelled reports of CT-RATE, which stay out of the repository (their
//! licence is CC BY-NC-SA): `../shared/data/ct-rate-reports/train.csv` beside the checkout.

use std::path::Path;

use rad3d_report::{Evaluation, Labeler, ReportTable};

#[test]
fn macro_f1_on_ct_rate_reports_is_at_least_093() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/ct-rate-reports/train.csv");
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return;
    }
    let labeler = Labeler::ct_rate().unwrap();
    let mut evaluation = Evaluation::new(labeler.labels().clone());
    let mut reports = 0;
    for row in ReportTable::open(&path, labeler.labels()).unwrap() {
        let row = row.unwrap();
        let found = labeler.label(&row.report);
        evaluation.add(&found.labels, &row.truth.unwrap()).unwrap();
        reports += 1;
    }
    assert_eq!(reports, 800);
    let macro_f1 = evaluation.macro_f1();
    assert!(macro_f1 >= 0.93, "macro F1 is {macro_f1:.4}");
    for (name, counts) in evaluation.labels.iter() {
        assert!(counts.f1() >= 0.85, "{name}: F1 is {:.3}", counts.f1());
    }
}
