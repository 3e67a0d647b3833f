//! Eigenvalues and eigenvectors of a covariance matrix.

use super::dot;

/// An eigenvalue and its unit eigenvector.
pub(super) struct EigenPair {
    pub(super) value: f64,
    pub(super) vector: Vec<f64>,
}

/// Sweeps over all pairs of rows; ten are many.
const MOST_SWEEPS: usize = 60;
/// Cosine of the angle at which two rows count as orthogonal.
const ORTHOGONAL: f64 = 1e-14;

/// All eigenpairs of a symmetric positive semidefinite `matrix` `[width, width]`, largest first.
///
/// One-sided Jacobi (Hestenes 1958): pairs of rows are rotated until all are orthogonal. Rotations
/// collect to an orthogonal V with Vᵀ A of orthogonal rows, so V diagonalises A², and hence A, and
/// row i is the i-th eigenvector times its eigenvalue. It takes more arithmetic than reduction to
/// a tridiagonal matrix, but is exact for small eigenvalues and runs along contiguous rows.
pub(super) fn decompose(matrix: Vec<f64>, width: usize) -> Vec<EigenPair> {
    let mut rows: Vec<Vec<f64>> = matrix.chunks_exact(width).map(<[f64]>::to_vec).collect();
    for _ in 0..MOST_SWEEPS {
        let mut turned = false;
        for second in 1..width {
            let (before, from) = rows.split_at_mut(second);
            for first in before {
                turned |= make_orthogonal(first, &mut from[0]);
            }
        }
        if !turned {
            break;
        }
    }
    let mut pairs: Vec<EigenPair> = rows
        .into_iter()
        .map(|row| {
            let value = dot(&row, &row).sqrt();
            let scale = if value > 0.0 { value.recip() } else { 0.0 };
            EigenPair {
                value,
                vector: row.iter().map(|x| x * scale).collect(),
            }
        })
        .collect();
    pairs.sort_by(|a, b| b.value.total_cmp(&a.value));
    pairs
}

/// Rotates two rows in their plane until they are orthogonal; false if they are already.
fn make_orthogonal(a: &mut [f64], b: &mut [f64]) -> bool {
    let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
    if ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() {
        return false;
    }
    // The smaller of the two angles that work.
    let cotangent = (bb - aa) / (2.0 * ab);
    let tangent = cotangent.signum() / (cotangent.abs() + (1.0 + cotangent * cotangent).sqrt());
    let cosine = (1.0 + tangent * tangent).sqrt().recip();
    let sine = cosine * tangent;
    for (x, y) in a.iter_mut().zip(b) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[[2, 1], [1, 2]]` has 3 along the diagonal and 1 across.
    #[test]
    fn two_by_two_by_hand() {
        let pairs = decompose(vec![2.0, 1.0, 1.0, 2.0], 2);
        assert!((pairs[0].value - 3.0).abs() < 1e-12);
        assert!((pairs[1].value - 1.0).abs() < 1e-12);
        assert!((pairs[0].vector[0] - pairs[0].vector[1]).abs() < 1e-12);
        assert!((pairs[1].vector[0] + pairs[1].vector[1]).abs() < 1e-12);
    }

    /// A v = λ v, and the vectors are orthonormal, also where eigenvalues are equal or 0.
    #[test]
    fn pairs_solve_the_equation() {
        let width = 40;
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        // 25 samples make a matrix of rank 25.
        let samples: Vec<Vec<f64>> = (0..25)
            .map(|_| (0..width).map(|_| random()).collect())
            .collect();
        let matrix: Vec<f64> = (0..width * width)
            .map(|at| {
                let (i, j) = (at / width, at % width);
                samples.iter().map(|sample| sample[i] * sample[j]).sum()
            })
            .collect();
        let trace: f64 = (0..width).map(|i| matrix[i * width + i]).sum();
        let pairs = decompose(matrix.clone(), width);
        for (index, pair) in pairs.iter().take(25).enumerate() {
            for i in 0..width {
                let product = dot(&matrix[i * width..][..width], &pair.vector);
                let wanted = pair.value * pair.vector[i];
                assert!(
                    (product - wanted).abs() < 1e-11 * trace,
                    "{product} {wanted}"
                );
            }
            for other in &pairs[..index] {
                assert!(dot(&pair.vector, &other.vector).abs() < 1e-10);
            }
        }
        assert!(pairs[25..].iter().all(|pair| pair.value < 1e-11 * trace));
        let sum: f64 = pairs.iter().map(|pair| pair.value).sum();
        assert!((sum - trace).abs() < 1e-11 * trace);
    }
}
