//! `inspect` for a person: aligned lines, a small histogram.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use rad3d_volume::{AxisPlan, GeometrySource, Histogram, SeriesSummary};

use super::{Inspection, Scan, Verdict, Would};

const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const CAUTION: Style = AnsiColor::Yellow.on_default();

/// Most series listed beside the chosen one.
const OTHERS_SHOWN: usize = 12;

/// Prints the table to stdout.
pub(super) fn print(inspection: &Inspection) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{TITLE}{}{TITLE:#}", inspection.input.display())?;
    if let Some(series) = inspection.chosen.map(|chosen| &inspection.series[chosen]) {
        chosen_series(&mut out, series)?;
    }
    if let Some(scan) = &inspection.scan {
        grid(&mut out, scan)?;
        values(&mut out, scan)?;
    }
    if let Some(would) = &inspection.would {
        plan(&mut out, would)?;
    }
    other_series(&mut out, inspection)?;
    for warning in &inspection.warnings {
        line(
            &mut out,
            "warning",
            &format!("{CAUTION}{warning}{CAUTION:#}"),
        )?;
    }
    verdict(&mut out, &inspection.verdict)
}

fn line(out: &mut impl Write, name: &str, value: &str) -> std::io::Result<()> {
    writeln!(out, "  {name:<13} {value}")
}

fn joined<T: std::fmt::Display>(values: &[T]) -> String {
    values
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(" × ")
}

fn millimetres(values: &[f64]) -> String {
    let rounded: Vec<f64> = values.iter().map(|mm| (mm * 1e4).round() / 1e4).collect();
    format!("{} mm", joined(&rounded))
}

fn chosen_series(out: &mut impl Write, series: &SeriesSummary) -> anyhow::Result<()> {
    let facts = &series.facts;
    let syntax = series
        .transfer_syntax
        .as_deref()
        .map_or(String::new(), |s| format!(", {s}"));
    let files = if series.files == 1 {
        "1 file".into()
    } else {
        format!("{} files", series.files)
    };
    line(
        out,
        "format",
        &format!("{} ({files}{syntax})", series.format),
    )?;
    let described = [
        ("series", &facts.series_uid),
        ("description", &facts.series_description),
        ("modality", &facts.modality),
        ("body part", &facts.body_part),
        ("scanner", &facts.scanner),
        ("kernel", &facts.kernel),
    ];
    for (name, value) in described {
        if let Some(value) = value {
            line(out, name, value)?;
        }
    }
    line(out, "chosen", &series.reason)?;
    if let Some(gaps) = &series.slice_gaps_mm {
        let even = if gaps.irregular.is_empty() {
            "even".into()
        } else {
            format!(
                "{} uneven, {:.3} to {:.3} mm",
                gaps.irregular.len(),
                gaps.min,
                gaps.max
            )
        };
        let slices = series.slices;
        line(
            out,
            "slices",
            &format!("{slices}, {:.3} mm apart, {even}", gaps.median),
        )?;
    }
    Ok(())
}

fn grid(out: &mut impl Write, scan: &Scan) -> anyhow::Result<()> {
    let voxels: usize = scan.dims_ijk.iter().product();
    let bytes = voxels * scan.stored_type.size();
    let size = format!("{}, {:.0} MB", scan.stored_type, bytes as f64 / 1e6);
    line(
        out,
        "matrix",
        &format!("{} ({size})", joined(&scan.dims_ijk)),
    )?;
    if scan.geometry_declared {
        line(out, "spacing", &millimetres(&scan.spacing_mm))?;
        let oblique = match scan.obliquity_deg {
            tilt if tilt > 0.05 => format!(", {tilt:.1}° oblique"),
            _ => String::new(),
        };
        line(
            out,
            "orientation",
            &format!("{}{oblique}", scan.orientation),
        )?;
    } else {
        line(out, "spacing", "not declared: the header is blank")?;
    }
    Ok(())
}

fn values(out: &mut impl Write, scan: &Scan) -> anyhow::Result<()> {
    if let (Some((low, high)), Some((first, last))) = (scan.hu_range, scan.stored_range) {
        line(
            out,
            "values",
            &format!("{low:.0} to {high:.0} HU (stored {first} to {last})"),
        )?;
    }
    line(out, "histogram", &bars(&scan.histogram))?;
    line(out, "", &scale(&scan.histogram))?;
    Ok(())
}

/// One character a bin; heights follow the square root, so that bone shows beside air.
fn bars(histogram: &Histogram) -> String {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let tallest = histogram
        .shares
        .iter()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    let level = |share: f64| (8.0 * (share / tallest).sqrt()).ceil() as usize;
    histogram
        .shares
        .iter()
        .map(|share| LEVELS[level(*share).min(8)])
        .collect()
}

/// Marks air, water and bone under the bars.
fn scale(histogram: &Histogram) -> String {
    let mut text = vec![b' '; histogram.shares.len()];
    for (hu, mark) in [
        (-1000.0, "-1000"),
        (0.0, "0"),
        (500.0, "500"),
        (1000.0, "1000 HU"),
    ] {
        let place = ((hu - histogram.first_hu) / histogram.bin_hu) as usize;
        let end = place + mark.len();
        if end > text.len() {
            text.resize(end, b' ');
        }
        text[place..end].copy_from_slice(mark.as_bytes());
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn plan(out: &mut impl Write, would: &Would) -> anyhow::Result<()> {
    line(out, "units", &would.hu.because)?;
    line(out, "lung", &format!("{:.0} ml seen", would.chest.lung_ml))?;
    match would.geometry_source {
        GeometrySource::Header => {}
        GeometrySource::Table => {
            line(
                out,
                "grid",
                "spacing from the table; axes taken to point L, P, S",
            )?;
        }
        GeometrySource::HeaderSpacingOnly => {
            line(
                out,
                "grid",
                "spacing from the header; axes taken to point L, P, S",
            )?;
        }
    }
    let recipe = format!("{} → {}", would.recipe, joined(&would.plan.recipe.size));
    line(out, "recipe", &recipe)?;
    for (name, axis) in ["D", "H", "W"].into_iter().zip(&would.plan.axes) {
        line(out, "", &format!("{name}: {}", axis_in_words(axis)))?;
    }
    Ok(())
}

fn axis_in_words(axis: &AxisPlan) -> String {
    let source = ["i", "j", "k"][axis.source_axis];
    let flipped = if axis.flipped { " reversed" } else { "" };
    let cropped = axis.resampled_len - axis.kept;
    let padded = axis.target_len - axis.kept;
    let fitted = match (cropped, padded) {
        (0, 0) => String::new(),
        (0, padded) => format!(", {padded} padded"),
        (cropped, _) => format!(", {cropped} cropped"),
    };
    format!(
        "{source}{flipped}, {} → {} voxels{fitted}",
        axis.source_len, axis.resampled_len
    )
}

fn other_series(out: &mut impl Write, inspection: &Inspection) -> anyhow::Result<()> {
    let others: Vec<&SeriesSummary> = inspection
        .series
        .iter()
        .enumerate()
        .filter(|(index, _)| Some(*index) != inspection.chosen)
        .map(|(_, series)| series)
        .collect();
    for series in others.iter().take(OTHERS_SHOWN) {
        line(out, "other series", &series.in_words())?;
    }
    if let Some(more) = others
        .len()
        .checked_sub(OTHERS_SHOWN)
        .filter(|more| *more > 0)
    {
        line(out, "", &format!("and {more} more"))?;
    }
    if inspection.ignored_files > 0 {
        let files = inspection.ignored_files;
        line(out, "passed over", &format!("{files} files of other kinds"))?;
    }
    Ok(())
}

fn verdict(out: &mut impl Write, verdict: &Verdict) -> anyhow::Result<()> {
    match &verdict.why_not {
        None => line(out, "verdict", &format!("{GOOD}usable{GOOD:#}"))?,
        Some(why) => {
            line(out, "verdict", &format!("{BAD}refused{BAD:#}: {why}"))?;
        }
    }
    if let Some(hint) = &verdict.hint {
        line(out, "", &format!("hint: {hint}"))?;
    }
    Ok(())
}
