//! The little linear algebra that a closed form needs, in double precision.

use rayon::prelude::*;

/// Inner products of all rows of `[rows, width]`, `[rows, rows]`.
pub(crate) fn gram(values: &[f32], width: usize) -> Vec<f64> {
    let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
    let mut out = vec![0.0; rows.len() * rows.len()];
    out.par_chunks_mut(rows.len().max(1))
        .enumerate()
        .for_each(|(index, line)| {
            for (other, value) in line.iter_mut().enumerate() {
                *value = dot(rows[index], rows[other]);
            }
        });
    out
}

/// Sixteen sums side by side, which a compiler turns into vector arithmetic.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = a.len() / 16 * 16;
    let tail: f32 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum();
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(tail)
}

/// Solves `(matrix + ridge · 1) x = right` for the columns of `right` `[size, columns]`; `None` if
/// the matrix is not positive definite.
pub(crate) fn solve(matrix: &[f64], size: usize, ridge: f64, right: &[f64]) -> Option<Vec<f64>> {
    // Cholesky, row by row.
    let mut lower = vec![0.0; size * size];
    for row in 0..size {
        let (above, below) = lower.split_at_mut(row * size);
        let own = &mut below[..size];
        for column in 0..row {
            let other = &above[column * size..][..column];
            let sum: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            own[column] = (matrix[row * size + column] - sum) / above[column * size + column];
        }
        let sum: f64 = own[..row].iter().map(|x| x * x).sum();
        let pivot = matrix[row * size + row] + ridge - sum;
        if pivot <= 0.0 {
            return None;
        }
        own[row] = pivot.sqrt();
    }
    let columns = right.len() / size;
    let mut x = right.to_vec();
    for column in 0..columns {
        for row in 0..size {
            let mut sum = x[row * columns + column];
            for k in 0..row {
                sum -= lower[row * size + k] * x[k * columns + column];
            }
            x[row * columns + column] = sum / lower[row * size + row];
        }
        for row in (0..size).rev() {
            let mut sum = x[row * columns + column];
            for k in row + 1..size {
                sum -= lower[k * size + row] * x[k * columns + column];
            }
            x[row * columns + column] = sum / lower[row * size + row];
        }
    }
    Some(x)
}

/// The `count` leading eigenvectors of a symmetric positive matrix, by subspace iteration from a
/// fixed start; each of unit length.
pub(crate) fn leading(matrix: &[f64], size: usize, count: usize) -> Vec<Vec<f64>> {
    let mut draw = crate::random::Draw::new(1, "subspace", 0);
    let mut basis: Vec<Vec<f64>> = (0..count)
        .map(|_| (0..size).map(|_| draw.normal()).collect())
        .collect();
    for _ in 0..12 {
        orthonormalise(&mut basis);
        basis = basis
            .par_iter()
            .map(|vector| {
                let row = |row: &[f64]| row.iter().zip(vector).map(|(a, b)| a * b).sum();
                matrix.chunks_exact(size).map(row).collect()
            })
            .collect();
    }
    orthonormalise(&mut basis);
    basis
}

fn orthonormalise(basis: &mut [Vec<f64>]) {
    for index in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(index);
        let own = &mut rest[0];
        // Twice, since once leaves rounding behind.
        for _ in 0..2 {
            for other in before.iter() {
                let along: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                for (a, b) in own.iter_mut().zip(other) {
                    *a -= along * b;
                }
            }
        }
        let length = own.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-300);
        own.iter_mut().for_each(|x| *x /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ridge_system_is_solved_and_its_eigenvectors_found() {
        let values: Vec<f32> = (0..60)
            .map(|i| ((i * 37 % 23) as f32 - 11.0) / 7.0)
            .collect();
        let matrix = gram(&values, 10);
        let right = vec![1.0, -2.0, 0.5, 3.0, 0.0, 1.5];
        let x = solve(&matrix, 6, 0.1, &right).unwrap();
        for row in 0..6 {
            let sum: f64 = (0..6).map(|k| matrix[row * 6 + k] * x[k]).sum::<f64>() + 0.1 * x[row];
            assert!((sum - right[row]).abs() < 1e-9);
        }
        // Rows of lengths 4, 2 and 1 along three axes: the first axis leads, the second follows.
        let apart = gram(&[4.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0], 3);
        let found = leading(&apart, 3, 2);
        for (index, vector) in found.iter().enumerate() {
            assert!((vector[index].abs() - 1.0).abs() < 1e-9, "{vector:?}");
        }
        assert!(solve(&[-1.0], 1, 0.0, &[1.0]).is_none());
    }
}
