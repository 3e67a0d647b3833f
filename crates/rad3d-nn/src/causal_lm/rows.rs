//! A batch of vectors.

use super::simd::LANES;

/// `count` vectors of `width` floats, each padded with zeros to whole panels of output rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    count: usize,
    width: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Rows {
    /// All zeros.
    pub(super) fn zeros(count: usize, width: usize) -> Self {
        let stride = width.next_multiple_of(LANES);
        Self {
            count,
            width,
            stride,
            values: vec![0.0; count * stride],
        }
    }

    /// Copies rows that lie close together.
    #[cfg(test)]
    pub(super) fn from_packed(width: usize, values: &[f32]) -> Self {
        let mut rows = Self::zeros(values.len() / width, width);
        for (index, row) in values.chunks_exact(width).enumerate() {
            rows.row_mut(index).copy_from_slice(row);
        }
        rows
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Floats from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.stride..][..self.width]
    }

    pub(super) fn row_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.stride..][..self.width]
    }

    /// All rows, to be changed independently.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let width = self.width;
        self.values
            .chunks_exact_mut(self.stride.max(1))
            .map(move |row| &mut row[..width])
    }

    pub(super) fn as_ptr(&self) -> *const f32 {
        self.values.as_ptr()
    }

    /// For kernels that write columns of all rows from several threads.
    pub(super) fn shared(&mut self) -> SharedRows {
        SharedRows {
            start: self.values.as_mut_ptr(),
            stride: self.stride,
            count: self.count,
        }
    }

    /// Adds `other`, row by row.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, term) in self.values.iter_mut().zip(&other.values) {
            *sum += term;
        }
    }

    /// Only the rows listed, in that order.
    pub(super) fn select(&self, indices: &[usize]) -> Self {
        let mut rows = Self::zeros(indices.len(), self.width);
        for (to, &from) in indices.iter().enumerate() {
            rows.row_mut(to).copy_from_slice(self.row(from));
        }
        rows
    }

    /// The values without padding.
    pub(super) fn to_packed(&self) -> Vec<f32> {
        (0..self.count)
            .flat_map(|index| self.row(index).iter().copied())
            .collect()
    }
}

/// Rows that several threads write, each its own columns.
#[derive(Clone, Copy)]
pub(super) struct SharedRows {
    start: *mut f32,
    stride: usize,
    count: usize,
}

// SAFETY: a plain pointer; those who write through it promise not to overlap.
unsafe impl Send for SharedRows {}
// SAFETY: as above.
unsafe impl Sync for SharedRows {}

impl SharedRows {
    pub(super) fn count(self) -> usize {
        self.count
    }

    /// Pointer to `column` of `row`.
    ///
    /// # Safety
    /// `row` is below the count and `column` below the stride; the `Rows` still lives, and nobody
    /// else uses the columns that the caller goes on to use.
    pub(super) unsafe fn at(self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: inside the allocation, as the caller promises.
        unsafe { self.start.add(row * self.stride + column) }
    }

    /// `length` columns of `row` from `column` on.
    ///
    /// # Safety
    /// As for [`SharedRows::at`], for all columns of the slice and as long as it is used.
    pub(super) unsafe fn columns<'a>(
        self,
        row: usize,
        column: usize,
        length: usize,
    ) -> &'a mut [f32] {
        // SAFETY: inside the allocation and not aliased, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, column), length) }
    }
}
