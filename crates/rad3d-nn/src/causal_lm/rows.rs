//! A batch of vectors, and their quantised form.

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

/// Columns that share one scale of quantised activations.
pub(super) const BLOCK: usize = 32;
/// Columns of which sums are kept: the smallest group of any weight format.
pub(super) const SUM_GROUP: usize = 16;

/// Rows rounded to 8 bits: in each block of 32 columns, `value ≈ scale * code`.
pub(super) struct QuantisedRows {
    pub(super) width: usize,
    /// `[count, width]`, -127 to 127.
    pub(super) codes: Vec<i8>,
    /// `[count, width / 32]`.
    pub(super) scales: Vec<f32>,
    /// Sums of `scale * code` over 16 columns; `[count, width / 16]`.
    pub(super) sums: Vec<f32>,
}

impl QuantisedRows {
    /// Rounds `rows`, whose width is a multiple of 32.
    pub(super) fn new(rows: &Rows) -> Self {
        let (count, width) = (rows.count(), rows.width());
        let mut quantised = Self {
            width,
            codes: vec![0; count * width],
            scales: vec![0.0; count * (width / BLOCK)],
            sums: vec![0.0; count * (width / SUM_GROUP)],
        };
        let blocks = (quantised.codes.chunks_exact_mut(BLOCK))
            .zip(&mut quantised.scales)
            .zip(quantised.sums.chunks_exact_mut(BLOCK / SUM_GROUP));
        let values = (0..count).flat_map(|index| rows.row(index).chunks_exact(BLOCK));
        for (((codes, scale), sums), values) in blocks.zip(values) {
            let largest = values
                .iter()
                .fold(0f32, |largest, value| largest.max(value.abs()));
            *scale = largest / 127.0;
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            for (code, value) in codes.iter_mut().zip(values) {
                // Rounds to the nearest by pushing the fraction out of the mantissa; several
                // times as fast as `round`, and |value * inverse| is at most 127.
                const SHIFT: f32 = 12_582_912.0;
                *code = ((value * inverse + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32) as i8;
            }
            for (sum, codes) in sums.iter_mut().zip(codes.chunks_exact(SUM_GROUP)) {
                *sum = *scale * codes.iter().map(|&code| i32::from(code)).sum::<i32>() as f32;
            }
        }
        quantised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_whole_numbers() {
        let values: Vec<f32> = (0..96)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.13)
            .collect();
        let quantised = QuantisedRows::new(&Rows::from_packed(96, &values));
        for (index, value) in values.iter().enumerate() {
            let scale = quantised.scales[index / BLOCK];
            let code = (value / scale).round();
            assert!((f32::from(quantised.codes[index]) - code).abs() <= 1.0);
            assert!((f32::from(quantised.codes[index]) * scale - value).abs() <= 0.501 * scale);
        }
        for (index, sum) in quantised.sums.iter().enumerate() {
            let codes = &quantised.codes[index * SUM_GROUP..][..SUM_GROUP];
            let whole: i32 = codes.iter().map(|&code| i32::from(code)).sum();
            assert_eq!(*sum, quantised.scales[index / 2] * whole as f32);
        }
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        let quantised = QuantisedRows::new(&Rows::zeros(2, 32));
        assert!(quantised.codes.iter().all(|&code| code == 0));
        assert!(quantised.sums.iter().all(|&sum| sum == 0.0));
    }
}
