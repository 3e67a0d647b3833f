//! Which of several series is the chest CT: the rule, applied to headers alone.

use crate::dicom::Series;

/// Series are compared by these in turn, the larger the better; the first that differs decides.
///
/// 1. It can be read.
/// 2. Its modality is CT.
/// 3. It is made of slices: no localizer, no secondary capture, at least [`FEWEST_SLICES`].
/// 4. Body part and descriptions: the chest before silence before other parts.
/// 5. It is axial (the slices' normal within 30° of the body's axis).
/// 6. Its length is that of a chest: 150 to 600 mm. Longer scans contain one, shorter do not.
/// 7. It is an original, not derived.
/// 8. Thinner slices (to 0.05 mm), but none is counted thinner than [`THIN_MM`].
/// 9. A softer kernel: lung kernels add noise that the networks were not trained on.
/// 10. More slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    readable: bool,
    ct: bool,
    slices: bool,
    body: Body,
    axial: bool,
    length: Length,
    original: bool,
    thinness: i64,
    softness: i64,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
    Elsewhere,
    Unknown,
    Chest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Length {
    Short,
    Long,
    Chest,
}

const FEWEST_SLICES: usize = 16;
const THIN_MM: f64 = 0.5;

impl Rank {
    pub(super) fn of(series: &Series) -> Self {
        let facts = series.facts();
        let spacing = series.step_mm().unwrap_or(f64::from(u16::MAX)).max(THIN_MM);
        let is = |word: &str| {
            facts
                .image_type
                .iter()
                .any(|t| t.eq_ignore_ascii_case(word))
        };
        let length_mm = series.length_mm();
        Self {
            readable: series.fault().is_none(),
            ct: facts.modality.as_deref() == Some("CT"),
            slices: !series.is_localizer()
                && !series.is_captured()
                && series.slices() >= FEWEST_SLICES,
            body: body(
                facts.body_part.as_deref(),
                facts.series_description.as_deref(),
            ),
            axial: series.axial_cosine() > 0.866,
            length: match length_mm {
                150.0..=600.0 => Length::Chest,
                _ if length_mm > 600.0 => Length::Long,
                _ => Length::Short,
            },
            original: !is("DERIVED"),
            thinness: -(spacing * 20.0).round() as i64,
            softness: facts.kernel.as_deref().map_or(0, softness),
            count: series.slices(),
        }
    }

    /// Whether nothing in the headers speaks against it.
    pub(super) fn suitable(&self) -> bool {
        self.readable && self.ct && self.slices && self.body > Body::Elsewhere && self.axial
    }

    /// What speaks against the series; failing that, how it compares with the best one.
    pub(super) fn reason(&self, series: &Series, best: Option<&Rank>) -> String {
        let mut against = Vec::new();
        if let Some(fault) = series.fault() {
            against.push(fault);
        }
        if !self.ct {
            let modality = series.facts().modality.as_deref().unwrap_or("not given");
            against.push(format!("modality {modality}"));
        }
        if series.is_localizer() {
            against.push("localizer".into());
        } else if series.is_captured() {
            against.push("secondary capture".into());
        } else if series.slices() < FEWEST_SLICES {
            against.push(format!("{} slices only", series.slices()));
        }
        if self.body == Body::Elsewhere {
            against.push("another part of the body".into());
        }
        if !self.axial {
            against.push("not axial".into());
        }
        if self.length == Length::Short && series.slices() > 1 {
            against.push(format!("{:.0} mm long only", series.length_mm()));
        }
        if !against.is_empty() {
            return against.join("; ");
        }
        match best {
            None => "axial CT slices that cover a chest".into(),
            Some(best) => format!("{} than the one chosen", self.worse_than(best)),
        }
    }

    fn worse_than(&self, best: &Rank) -> &'static str {
        if self.body < best.body {
            "less clearly a chest"
        } else if self.length < best.length {
            "longer"
        } else if !self.original && best.original {
            "derived, less original"
        } else if self.thinness < best.thinness {
            "thicker slices"
        } else if self.softness < best.softness {
            "a sharper kernel"
        } else if self.count < best.count {
            "fewer slices"
        } else {
            "no better"
        }
    }
}

/// Where the scan was, by words of the header in upper case.
fn body(part: Option<&str>, description: Option<&str>) -> Body {
    const CHEST: [&str; 8] = [
        "CHEST",
        "THORA",
        "LUNG",
        "PULMO",
        "TORAX",
        "BRUST",
        "TAP",
        "WHOLEBODY",
    ];
    const ELSEWHERE: [&str; 14] = [
        "HEAD", "BRAIN", "SKULL", "NECK", "ABDOM", "PELVIS", "LIVER", "KNEE", "SPINE", "FOOT",
        "HIP", "EXTREM", "SHOULDER", "SINUS",
    ];
    let words = [part, description].map(|text| text.unwrap_or_default().to_uppercase());
    let any = |list: &[&str]| {
        words
            .iter()
            .any(|text| list.iter().any(|word| text.contains(word)))
    };
    if any(&CHEST) {
        Body::Chest
    } else if any(&ELSEWHERE) {
        Body::Elsewhere
    } else {
        Body::Unknown
    }
}

/// Softer kernels have larger numbers: names that say lung, bone or sharp count as 80, and
/// numbers as in `B30f` or `FC51` as they are.
fn softness(kernel: &str) -> i64 {
    let kernel = kernel.to_uppercase();
    if ["LUNG", "BONE", "SHARP", "EDGE", "DETAIL"]
        .iter()
        .any(|word| kernel.contains(word))
    {
        return -80;
    }
    let number: String = kernel
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .take(3)
        .collect();
    -number.parse::<i64>().unwrap_or(40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_parts_are_told_apart() {
        assert_eq!(body(Some("CHEST"), None), Body::Chest);
        assert_eq!(body(Some("ABDOMEN"), Some("CT Chest Abd")), Body::Chest);
        assert_eq!(body(Some("HEAD"), None), Body::Elsewhere);
        assert_eq!(body(None, Some("1.25 mm")), Body::Unknown);
    }

    #[test]
    fn sharper_kernels_rank_lower() {
        assert!(softness("B30f") > softness("B70f"));
        assert!(softness("STANDARD") > softness("LUNG"));
        assert!(softness("FC08") > softness("FC51"));
        assert!(softness("Br40d\\3") > softness("Bl57d\\3"));
    }
}
