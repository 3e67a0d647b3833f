//! Matrix products of written-out gradients.

use gemm::{Parallelism, gemm};

/// A view of numbers as a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_step(values, rows, columns, columns)
    }

    /// Rows that begin `row_step` apart.
    pub(crate) fn with_step(
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

    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// Floating-point operations of the product with `other`: a multiplication and an addition for
    /// each term of each sum.
    pub(crate) fn operations(self, other: Self) -> u64 {
        2 * self.rows as u64 * self.columns as u64 * other.columns as u64
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
pub(crate) fn matmul(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], add: bool) {
    let step = b.columns;
    matmul_into(a, b, out, step, 1.0, add);
}

/// `out = factor · a · b` (or `+=`) into rows that begin `step` apart.
pub(crate) fn matmul_into(
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
