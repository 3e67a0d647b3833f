//! Intervals of shares.

/// 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval (1927) of `count` in `total`; `None` of none.
#[must_use]
pub fn wilson(count: usize, total: usize) -> Option<[f64; 2]> {
    if total == 0 {
        return None;
    }
    let (n, share) = (total as f64, count as f64 / total as f64);
    let z2 = Z * Z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some([(centre - half).max(0.0), (centre + half).min(1.0)])
}
