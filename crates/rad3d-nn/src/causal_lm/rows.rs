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

/// Rows rounded to whole numbers: in each block of 32 columns, `value ≈ scale * code`.
///
/// Codes have 8 bits; or nearly 16, as two digits `255 * high + low`, since the kernels multiply
/// bytes. With that base both digits lie between -127 and 127, as the kernels need.
pub(super) struct QuantisedRows {
    pub(super) width: usize,
    /// The code or its high digit: `[count, width]`.
    pub(super) high: Vec<i8>,
    /// The low digit of 16-bit codes, as `high`; else empty.
    pub(super) low: Vec<i8>,
    /// `[count, width / 32]`.
    pub(super) scales: Vec<f32>,
    /// Sums of `scale * code` over 16 columns; `[count, width / 16]`.
    pub(super) sums_16: Vec<f32>,
    /// The same over 32 columns; `[count, width / 32]`.
    pub(super) sums_32: Vec<f32>,
}

/// What the high digit of a 16-bit code counts.
pub(super) const DIGIT_BASE: i32 = 255;
/// Largest digit, and largest code of one digit.
const LARGEST_DIGIT: i32 = 127;
/// Largest code of two digits.
const LARGEST_CODE: i32 = LARGEST_DIGIT * DIGIT_BASE;

impl QuantisedRows {
    /// Rounds `rows`, whose width is a multiple of 32, to 16 or to 8 bits.
    pub(super) fn new(rows: &Rows, sixteen_bits: bool) -> Self {
        let (count, width) = (rows.count(), rows.width());
        let mut quantised = Self {
            width,
            high: vec![0; count * width],
            low: vec![0; if sixteen_bits { count * width } else { 0 }],
            scales: vec![0.0; count * (width / BLOCK)],
            sums_16: vec![0.0; count * (width / SUM_GROUP)],
            sums_32: vec![0.0; count * (width / BLOCK)],
        };
        let blocks = width / BLOCK;
        for block in 0..count * blocks {
            let values = &rows.row(block / blocks)[block % blocks * BLOCK..][..BLOCK];
            quantised.round_block(block, values, sixteen_bits);
        }
        quantised
    }

    fn round_block(&mut self, block: usize, values: &[f32], sixteen_bits: bool) {
        let largest = values
            .iter()
            .fold(0f32, |largest, value| largest.max(value.abs()));
        let largest_code = if sixteen_bits {
            LARGEST_CODE
        } else {
            LARGEST_DIGIT
        };
        let largest_code = largest_code as f32;
        let scale = largest / largest_code;
        let inverse = if largest > 0.0 {
            largest_code / largest
        } else {
            0.0
        };
        let mut codes = [0i32; BLOCK];
        for (code, value) in codes.iter_mut().zip(values) {
            *code = nearest(value * inverse);
        }
        self.scales[block] = scale;
        let groups = BLOCK / SUM_GROUP;
        for (sum, codes) in self.sums_16[block * groups..][..groups]
            .iter_mut()
            .zip(codes.chunks_exact(SUM_GROUP))
        {
            *sum = scale * codes.iter().sum::<i32>() as f32;
        }
        self.sums_32[block] = scale * codes.iter().sum::<i32>() as f32;
        let high = &mut self.high[block * BLOCK..][..BLOCK];
        if sixteen_bits {
            let low = &mut self.low[block * BLOCK..][..BLOCK];
            for ((high, low), code) in high.iter_mut().zip(low).zip(codes) {
                let upper = nearest(code as f32 * (1.0 / DIGIT_BASE as f32));
                *high = upper as i8;
                *low = (code - DIGIT_BASE * upper) as i8;
            }
        } else {
            for (high, code) in high.iter_mut().zip(codes) {
                *high = code as i8;
            }
        }
    }
}

/// The nearest whole number to `x`, which is below 2^22 in size, by pushing the fraction out of
/// the mantissa: several times as fast as `round`.
fn nearest(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT).to_bits().cast_signed() - SHIFT.to_bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_whole_numbers() {
        let values: Vec<f32> = (0..96)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.13)
            .collect();
        for sixteen_bits in [false, true] {
            let quantised = QuantisedRows::new(&Rows::from_packed(96, &values), sixteen_bits);
            let code = |index: usize| match quantised.low.get(index) {
                Some(&low) => DIGIT_BASE * i32::from(quantised.high[index]) + i32::from(low),
                None => i32::from(quantised.high[index]),
            };
            for (index, value) in values.iter().enumerate() {
                let scale = quantised.scales[index / BLOCK];
                assert!((code(index) as f32 * scale - value).abs() <= 0.505 * scale);
            }
            assert!(
                quantised
                    .high
                    .iter()
                    .chain(&quantised.low)
                    .all(|&digit| digit > -128)
            );
            for (index, sum) in quantised.sums_16.iter().enumerate() {
                let whole: i32 = (index * SUM_GROUP..(index + 1) * SUM_GROUP).map(code).sum();
                assert_eq!(*sum, quantised.scales[index / 2] * whole as f32);
            }
        }
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        let quantised = QuantisedRows::new(&Rows::zeros(2, 32), true);
        assert!(
            quantised
                .high
                .iter()
                .chain(&quantised.low)
                .all(|&digit| digit == 0)
        );
        assert!(quantised.sums_16.iter().all(|&sum| sum == 0.0));
    }
}
