//! Pictures, as SVG that stands alone.

mod prefixes;
mod quality;

pub use prefixes::prefixes;
pub use quality::quality;

/// The part of every picture that says how it looks.
const STYLE: &str = "<style>text{font:11px system-ui,sans-serif;fill:#333}.title{font-size:13px;\
    font-weight:600}.small{font-size:9.5px;fill:#666}.grid{stroke:#e4e4e4;fill:none}\
    .axis{stroke:#999;fill:none}.base{stroke:#888;stroke-dasharray:4 3;fill:none}</style>";

/// The beginning of a picture of a size.
fn opened(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\" aria-label=\"{}\">{STYLE}<rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>",
        escaped(title)
    )
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Colours of the variants, told apart by those who see no red or green (Okabe and Ito 2008).
fn colour(variant: &str) -> &'static str {
    match variant {
        "V-1" => "#e69f00",
        "V-1 + priors" => "#d55e00",
        "V-2" => "#56b4e9",
        "V-3" => "#0072b2",
        _ => "#666",
    }
}
