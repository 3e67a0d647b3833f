//! The loss as a picture.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 45.0;

/// An SVG of training loss (a line) and validation loss (dots) over steps.
#[must_use]
pub fn loss_curve(training: &[(f64, f64)], validation: &[(f64, f64)]) -> String {
    let all = || {
        training
            .iter()
            .chain(validation)
            .filter(|p| p.1.is_finite())
    };
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let low = all().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = all().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low < high {
        (low.min(0.0).max(low - 0.1), high)
    } else {
        (0.0, 1.0)
    };
    let x = |step: f64| LEFT + step / last * (WIDTH - LEFT - RIGHT);
    let y = |loss: f64| TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">loss over steps: training (line), validation (dots)</text>\n"
    );
    // Writing to a String can't fail.
    for tick in 0..=4 {
        let part = f64::from(tick) / 4.0;
        let (loss, step) = (low + part * (high - low), part * last);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.3}</text>\
             <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step:.0}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(loss) + 4.0,
            x(step),
            HEIGHT - BOTTOM + 18.0,
            y = y(loss),
        );
    }
    let line: Vec<String> = training
        .iter()
        .filter(|p| p.1.is_finite())
        .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1)))
        .collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2166ac\" stroke-width=\"1.2\"/>",
        line.join(" ")
    );
    for point in validation.iter().filter(|p| p.1.is_finite()) {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#b2182b\"/>",
            x(point.0),
            y(point.1)
        );
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_lies_within_the_picture() {
        let picture = loss_curve(&[(1.0, 5.0), (9.0, f64::NAN), (10.0, 2.0)], &[(10.0, 2.5)]);
        assert!(picture.contains("<circle") && !picture.contains("NaN"));
        assert!(picture.contains(&format!("{:.1},", WIDTH - RIGHT)));
    }
}
