//! Between row-major activations `[token, feature]` and panels `[feature, lane]`.

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::isa::Kind;

/// Tokens and features that are transposed at a time.
const BLOCK: usize = 8;

/// Writes `rows` (each a token's features) into one panel `[feature, lane]`; missing lanes get 0.
///
/// All rows have `features` values; there are at most [`Isa::lanes`] rows.
pub(crate) fn rows_to_panel<'a>(
    isa: Isa,
    rows: impl Iterator<Item = &'a [f32]>,
    features: usize,
    panel: &mut [f32],
) {
    let lanes = isa.lanes();
    let empty: &[f32] = &[];
    let mut group = [empty; BLOCK];
    let mut filled = 0;
    let mut lane = 0;
    for row in rows {
        group[filled] = &row[..features];
        filled += 1;
        if filled == BLOCK {
            transpose_in(isa, &group, features, &mut panel[lane..], lanes);
            lane += BLOCK;
            filled = 0;
        }
    }
    for (offset, row) in group[..filled].iter().enumerate() {
        for (slot, &value) in panel[lane + offset..].iter_mut().step_by(lanes).zip(*row) {
            *slot = value;
        }
    }
    let used = lane + filled;
    if used < lanes {
        for feature in panel.chunks_exact_mut(lanes).take(features) {
            feature[used..].fill(0.0);
        }
    }
}

/// Writes a panel `[feature, lane]` into row-major `rows` `[token, stride]`, `features` of each.
pub(crate) fn panel_to_rows(
    isa: Isa,
    panel: &[f32],
    features: usize,
    rows: &mut [f32],
    stride: usize,
) {
    transpose_out::<false>(isa, panel, features, rows, stride);
}

/// Adds a panel `[feature, lane]` to row-major `rows` `[token, stride]`, `features` of each.
pub(crate) fn add_panel_to_rows(
    isa: Isa,
    panel: &[f32],
    features: usize,
    rows: &mut [f32],
    stride: usize,
) {
    transpose_out::<true>(isa, panel, features, rows, stride);
}

fn transpose_in(
    isa: Isa,
    rows: &[&[f32]; BLOCK],
    features: usize,
    panel: &mut [f32],
    lanes: usize,
) {
    let mut feature = 0;
    #[cfg(target_arch = "x86_64")]
    if !matches!(isa.kind(), Kind::Portable) {
        while feature + BLOCK <= features {
            let block = rows.map(|row| &row[feature..feature + BLOCK]);
            let panel = &mut panel[feature * lanes..];
            assert!(
                panel.len() >= (BLOCK - 1) * lanes + BLOCK,
                "panel too short"
            );
            // SAFETY: both x86 kinds have AVX2; every row of the block has 8 values, and the
            // panel reaches to the last of its 8 rows.
            unsafe {
                transpose_avx2::<false>(block.map(<[f32]>::as_ptr), panel.as_mut_ptr(), lanes)
            };
            feature += BLOCK;
        }
    }
    let _ = isa;
    for feature in feature..features {
        for (slot, row) in panel[feature * lanes..].iter_mut().zip(rows) {
            *slot = row[feature];
        }
    }
}

fn transpose_out<const ADD: bool>(
    isa: Isa,
    panel: &[f32],
    features: usize,
    rows: &mut [f32],
    stride: usize,
) {
    let lanes = isa.lanes();
    let tokens = rows.len().div_ceil(stride).min(lanes);
    let mut first = 0;
    #[cfg(target_arch = "x86_64")]
    if !matches!(isa.kind(), Kind::Portable) {
        while first + BLOCK <= tokens {
            let rows = &mut rows[first * stride..];
            let mut feature = 0;
            while feature + BLOCK <= features {
                let block: [*const f32; BLOCK] = std::array::from_fn(|offset| {
                    panel[(feature + offset) * lanes + first..][..BLOCK].as_ptr()
                });
                let rows = &mut rows[feature..];
                assert!(rows.len() >= (BLOCK - 1) * stride + BLOCK, "rows too short");
                // SAFETY: both x86 kinds have AVX2; every source row has 8 values, and `rows`
                // reaches to the last of its 8 rows.
                unsafe { transpose_avx2::<ADD>(block, rows.as_mut_ptr(), stride) };
                feature += BLOCK;
            }
            for feature in feature..features {
                let source = &panel[feature * lanes + first..][..BLOCK];
                for (row, &value) in rows.chunks_mut(stride).zip(source) {
                    row[feature] = if ADD { row[feature] + value } else { value };
                }
            }
            first += BLOCK;
        }
    }
    for (lane, row) in rows.chunks_mut(stride).enumerate().take(tokens).skip(first) {
        for (slot, source) in row[..features].iter_mut().zip(panel.chunks_exact(lanes)) {
            *slot = if ADD {
                *slot + source[lane]
            } else {
                source[lane]
            };
        }
    }
}

/// Transposes 8 × 8 values: `source[i][j]` goes to, or is added to, `target[j * stride + i]`.
///
/// # Safety
/// Each source points at 8 values, `target` at `7 * stride + 8`; the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose_avx2<const ADD: bool>(
    source: [*const f32; BLOCK],
    target: *mut f32,
    stride: usize,
) {
    use std::arch::x86_64::*;
    // SAFETY: the caller vouches for the 8 sources.
    let r = unsafe { source.map(|row| _mm256_loadu_ps(row)) };
    let pairs = [
        _mm256_unpacklo_ps(r[0], r[1]),
        _mm256_unpackhi_ps(r[0], r[1]),
        _mm256_unpacklo_ps(r[2], r[3]),
        _mm256_unpackhi_ps(r[2], r[3]),
        _mm256_unpacklo_ps(r[4], r[5]),
        _mm256_unpackhi_ps(r[4], r[5]),
        _mm256_unpacklo_ps(r[6], r[7]),
        _mm256_unpackhi_ps(r[6], r[7]),
    ];
    let quads = [
        _mm256_shuffle_ps::<0x44>(pairs[0], pairs[2]),
        _mm256_shuffle_ps::<0xEE>(pairs[0], pairs[2]),
        _mm256_shuffle_ps::<0x44>(pairs[1], pairs[3]),
        _mm256_shuffle_ps::<0xEE>(pairs[1], pairs[3]),
        _mm256_shuffle_ps::<0x44>(pairs[4], pairs[6]),
        _mm256_shuffle_ps::<0xEE>(pairs[4], pairs[6]),
        _mm256_shuffle_ps::<0x44>(pairs[5], pairs[7]),
        _mm256_shuffle_ps::<0xEE>(pairs[5], pairs[7]),
    ];
    for half in 0..4 {
        let low = _mm256_permute2f128_ps::<0x20>(quads[half], quads[half + 4]);
        let high = _mm256_permute2f128_ps::<0x31>(quads[half], quads[half + 4]);
        for (row, value) in [(half, low), (half + 4, high)] {
            // SAFETY: the caller vouches for the 8 rows of the target.
            unsafe {
                let slot = target.add(row * stride);
                let value = if ADD {
                    _mm256_add_ps(_mm256_loadu_ps(slot), value)
                } else {
                    value
                };
                _mm256_storeu_ps(slot, value);
            }
        }
    }
}
