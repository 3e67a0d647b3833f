//! Percentiles between two values.

/// The `percent`-th percentile of sorted values, linear between neighbours (type 7, numpy's
/// default); `None` of no values.
pub fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = place.floor();
    let (low, high) = (
        *sorted.get(below as usize)?,
        *sorted.get((below as usize + 1).min(last))?,
    );
    let part = place - below;
    // From the nearer end, so that both ends are met exactly.
    Some(if part < 0.5 {
        low + (high - low) * part
    } else {
        high - (high - low) * (1.0 - part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_neighbours() {
        let sorted = [1.0, 2.0, 4.0];
        assert_eq!(percentile(&sorted, 0.0), Some(1.0));
        assert_eq!(percentile(&sorted, 25.0), Some(1.5));
        assert_eq!(percentile(&sorted, 75.0), Some(3.0));
        assert_eq!(percentile(&sorted, 100.0), Some(4.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
