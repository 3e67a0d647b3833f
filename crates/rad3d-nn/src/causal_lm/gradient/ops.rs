//! Matrix products and the norm, forwards and backwards.

use gemm::{Parallelism, gemm};

/// A view of numbers as a matrix.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_step(values, rows, columns, columns)
    }

    /// Rows that begin `row_step` apart.
    pub(super) fn with_step(
        values: &'a [f32],
        rows: usize,
        columns: usize,
        row_step: usize,
    ) -> Self {
        Self {
            values,
            rows,
            columns,
            row_step,
            column_step: 1,
        }
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// Length that the view reaches over.
    fn reach(self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step + 1
    }
}

/// `out = a · b`, or `out += a · b`, row after row.
pub(super) fn matmul(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], add: bool) {
    let step = b.columns;
    matmul_into(a, b, out, step, 1.0, add);
}

/// `out = factor · a · b` (or `+=`) into rows that begin `step` apart.
pub(super) fn matmul_into(
    a: Matrix<'_>,
    b: Matrix<'_>,
    out: &mut [f32],
    step: usize,
    factor: f32,
    add: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert_eq!(k, b.rows, "inner sizes of a matrix product");
    assert!(a.reach() <= a.values.len() && b.reach() <= b.values.len());
    assert!((m - 1) * step + n <= out.len() && n <= step);
    // SAFETY: the assertions above keep every element that the product reads or writes within
    // its slice; `out` is borrowed mutably, so nothing overlaps it.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            step as isize,
            add,
            a.values.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// RMSNorm of rows of `gain`'s width; also each row's inverse root mean square.
pub(super) fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let width = gain.len();
    let mut out = Vec::with_capacity(x.len());
    let mut inverse = Vec::with_capacity(x.len() / width);
    for row in x.chunks_exact(width) {
        let square: f32 = row.iter().map(|x| x * x).sum();
        let factor = 1.0 / (square / width as f32 + epsilon).sqrt();
        out.extend(row.iter().zip(gain).map(|(x, gain)| x * factor * gain));
        inverse.push(factor);
    }
    (out, inverse)
}

/// The gradient through RMSNorm; that of the gain is added to `gain_sum`.
pub(super) fn rms_norm_back(
    back: &[f32],
    x: &[f32],
    gain: &[f32],
    inverse: &[f32],
    gain_sum: &mut [f32],
) -> Vec<f32> {
    let width = gain.len();
    let mut out = Vec::with_capacity(x.len());
    let rows = back.chunks_exact(width).zip(x.chunks_exact(width));
    for ((back, x), &factor) in rows.zip(inverse) {
        let both = back.iter().zip(gain).zip(x);
        let along: f32 = both.clone().map(|((b, g), x)| b * g * x).sum();
        let pull = along * factor * factor * factor / width as f32;
        out.extend(both.map(|((b, g), x)| b * g * factor - x * pull));
        for ((sum, b), x) in gain_sum.iter_mut().zip(back).zip(x) {
            *sum += b * x * factor;
        }
    }
    out
}
