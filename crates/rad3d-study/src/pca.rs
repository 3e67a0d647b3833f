//! Principal components of a few rows of many values.

use crate::record::Prefixes;

/// Rounds of the power iteration; the angle to the component shrinks in each.
const ROUNDS: usize = 500;
/// Change of the squared length at which a component counts as found.
const SETTLED: f64 = 1e-12;
/// Share of all squares below which rows count as equal.
const EQUAL: f64 = 1e-20;

/// The rows (`[rows, width]`, row by row) on their first two principal components, signs chosen so
/// that each component's largest coordinate is positive.
///
/// There are fewer rows than values, so the components come from the rows' Gram matrix
/// (Schölkopf 1998 with a linear kernel), by power iteration: the second after the first was taken
/// out.
#[must_use]
pub fn two_components(rows: &[f32], width: usize) -> Option<Prefixes> {
    let count = rows.len().checked_div(width)?;
    if count < 3 {
        return None;
    }
    let mut gram = centred_gram(rows, width, count);
    let total: f64 = (0..count).map(|row| gram[row * count + row]).sum();
    let squares: f64 = rows.iter().map(|x| f64::from(*x).powi(2)).sum();
    // Equal rows differ from their mean by what rounding left.
    if total <= EQUAL * squares {
        return None;
    }
    let (first, length) = leading(&gram, count);
    for row in 0..count {
        for column in 0..count {
            gram[row * count + column] -= length * first[row] * first[column];
        }
    }
    let (second, other) = leading(&gram, count);
    let scale = [length.max(0.0).sqrt(), other.max(0.0).sqrt()];
    let points = first.iter().zip(&second);
    Some(Prefixes {
        explained: [length / total, other.max(0.0) / total],
        points: points
            .map(|(x, y)| [(x * scale[0]) as f32, (y * scale[1]) as f32])
            .collect(),
    })
}

/// Products of all rows with each other after their mean was taken off.
fn centred_gram(rows: &[f32], width: usize, count: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / count as f64;
        }
    }
    let centred: Vec<f64> = rows
        .chunks_exact(width)
        .flat_map(|row| row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean))
        .collect();
    let mut gram = vec![0.0; count * count];
    for (a, one) in centred.chunks_exact(width).enumerate() {
        for (b, other) in centred.chunks_exact(width).enumerate().take(a + 1) {
            let product: f64 = one.iter().zip(other).map(|(x, y)| x * y).sum();
            gram[a * count + b] = product;
            gram[b * count + a] = product;
        }
    }
    gram
}

/// Largest eigenvalue and its unit eigenvector of a symmetric matrix.
fn leading(matrix: &[f64], count: usize) -> (Vec<f64>, f64) {
    // No component is orthogonal to numbers without a pattern.
    let start = |row: usize| ((row + 1) as f64 * 0.618_033_988_749_895).fract() - 0.5;
    let mut vector: Vec<f64> = (0..count).map(start).collect();
    let mut value = 0.0;
    for _ in 0..ROUNDS {
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm == 0.0 {
            return (vec![0.0; count], 0.0);
        }
        vector.iter_mut().for_each(|x| *x /= norm);
        let product: Vec<f64> = matrix
            .chunks_exact(count)
            .map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum())
            .collect();
        let found: f64 = product.iter().zip(&vector).map(|(a, b)| a * b).sum();
        let settled = (found - value).abs() <= SETTLED * found.abs();
        value = found;
        if settled {
            break;
        }
        vector = product;
    }
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let largest = vector
        .iter()
        .copied()
        .fold(0.0_f64, |a, b| if b.abs() > a.abs() { b } else { a });
    let scale = if norm > 0.0 {
        largest.signum() / norm
    } else {
        0.0
    };
    vector.iter_mut().for_each(|x| *x *= scale);
    (vector, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_an_ellipse_come_back_on_its_axes() {
        // 40 points on an ellipse with half axes 3 and 1, turned into five dimensions.
        let (u, v) = ([0.6, 0.8, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -0.8, 0.6]);
        let angle = |i: usize| i as f64 * std::f64::consts::TAU / 40.0;
        let rows: Vec<f32> = (0..40)
            .flat_map(|i| {
                let (a, b) = (3.0 * angle(i).cos(), angle(i).sin());
                (0..5).map(move |k| (7.0 + a * u[k] + b * v[k]) as f32)
            })
            .collect();
        let found = two_components(&rows, 5).unwrap();
        assert!((found.explained[0] - 0.9).abs() < 1e-5, "{found:?}");
        assert!((found.explained[1] - 0.1).abs() < 1e-5, "{found:?}");
        for (i, [x, y]) in found.points.iter().enumerate() {
            assert!((x.abs() - (3.0 * angle(i).cos()).abs() as f32).abs() < 1e-3);
            assert!((y.abs() - angle(i).sin().abs() as f32).abs() < 1e-3);
        }
    }

    #[test]
    fn equal_rows_have_no_components() {
        assert_eq!(two_components(&[1.0; 30], 3), None);
        assert_eq!(two_components(&[], 0), None);
    }
}
