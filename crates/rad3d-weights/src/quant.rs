//! GGUF's block quantisations: layouts, and their expansion to `f32`.
//!
//! All scales are IEEE half floats, all numbers little-endian. `q` is the stored unsigned code.
//!
//! | type | elements | bytes | layout (bytes) | value |
//! |---|---|---|---|---|
//! | Q4_0 | 32 | 18 | d 2, codes 16 | d (q - 8) |
//! | Q4_1 | 32 | 20 | d 2, m 2, codes 16 | d q + m |
//! | Q5_0 | 32 | 22 | d 2, fifth bits 4, codes 16 | d (q - 16) |
//! | Q5_1 | 32 | 24 | d 2, m 2, fifth bits 4, codes 16 | d q + m |
//! | Q8_0 | 32 | 34 | d 2, codes 32 (signed) | d q |
//! | Q4_K | 256 | 144 | d 2, dmin 2, scales 12, codes 128 | d s q - dmin t |
//! | Q5_K | 256 | 176 | d 2, dmin 2, scales 12, fifth bits 32, codes 128 | d s q - dmin t |
//! | Q6_K | 256 | 210 | low codes 128, high codes 64, scales 16 (signed), d 2 | d s (q - 32) |
//!
//! In the 32-element types byte `i` of the codes holds element `i` in its low and element `i + 16`
//! in its high half; bit `i` of the fifth bits belongs to element `i`.
//!
//! In Q4_K and Q5_K each 32 elements share a 6-bit scale `s` and minimum `t` (see
//! [`k_scales`]); 32 bytes of codes hold 64 elements, the first 32 in the low halves. Bit `g` of
//! byte `i` of Q5_K's fifth bits belongs to element `i` of group `g` of 32.
//!
//! In Q6_K each 16 elements share a scale. Half a block (128 elements) takes 64 bytes of low and
//! 32 of high codes: elements 0..32 and 64..96 the low and high halves of the first 32 low bytes,
//! 32..64 and 96..128 those of the next 32; high byte `i` has two bits for each of the elements
//! `i`, `i + 32`, `i + 64`, `i + 96`, from the lowest.

use half::f16;

use crate::DType;

/// Expands whole blocks of a quantised type to `f32`.
///
/// `blocks` and `out` must describe the same number of whole blocks: `out.len()` elements at
/// [`DType::block`]'s rate. Plain types expand nothing here, see
/// [`TensorView::to_f32`](crate::TensorView::to_f32).
///
/// # Errors
/// None: returns `false`, leaving `out` as it is, if the lengths don't agree or the type
/// is not quantised.
#[must_use]
pub fn dequantise(dtype: DType, blocks: &[u8], out: &mut [f32]) -> bool {
    let (elements, bytes) = dtype.block();
    if !blocks.len().is_multiple_of(bytes)
        || !out.len().is_multiple_of(elements)
        || blocks.len() / bytes != out.len() / elements
    {
        return false;
    }
    let expand = match dtype {
        DType::Q4_0 => q4_0,
        DType::Q4_1 => q4_1,
        DType::Q5_0 => q5_0,
        DType::Q5_1 => q5_1,
        DType::Q8_0 => q8_0,
        DType::Q4K => q4_k,
        DType::Q5K => q5_k,
        DType::Q6K => q6_k,
        _ => return false,
    };
    for (block, values) in blocks
        .chunks_exact(bytes)
        .zip(out.chunks_exact_mut(elements))
    {
        expand(block, values);
    }
    true
}

/// The half-float scales of one block, for a check that they are finite.
pub(crate) fn block_scales(dtype: DType, block: &[u8]) -> [f32; 2] {
    match dtype {
        DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => {
            [half_at(block, 0), half_at(block, 2)]
        }
        DType::Q6K => [half_at(block, 208), 0.0],
        _ => [half_at(block, 0), 0.0],
    }
}

/// The 6-bit scale and minimum of 32-element group `group` (0 to 7) of a Q4_K or Q5_K block, from
/// its 12 packed bytes.
///
/// Groups 0 to 3 take the low six bits of bytes `g` (scale) and `g + 4` (minimum); groups 4 to 7
/// the halves of byte `g + 4` for the low four bits, and the two top bits left over in bytes
/// `g - 4` and `g`.
#[must_use]
pub fn k_scales(packed: &[u8; 12], group: usize) -> (u8, u8) {
    if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (
            low & 15 | packed[group - 4] >> 6 << 4,
            low >> 4 | packed[group] >> 6 << 4,
        )
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn fifth_bits(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn q4_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    let (low, high) = out.split_at_mut(16);
    for ((&code, low), high) in block[2..].iter().zip(low).zip(high) {
        *low = d * (f32::from(code & 15) - 8.0);
        *high = d * (f32::from(code >> 4) - 8.0);
    }
}

fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let (low, high) = out.split_at_mut(16);
    for ((&code, low), high) in block[4..].iter().zip(low).zip(high) {
        *low = d * f32::from(code & 15) + m;
        *high = d * f32::from(code >> 4) + m;
    }
}

/// The 32 five-bit codes of a Q5_0 or Q5_1 block, in element order.
fn five_bit_codes(fifth: u32, codes: &[u8]) -> impl Iterator<Item = f32> {
    let bit = move |element: usize| (fifth >> element & 1) as u8 * 16;
    let low = codes.iter().enumerate();
    let high = codes.iter().enumerate();
    low.map(move |(i, &code)| f32::from(code & 15 | bit(i)))
        .chain(high.map(move |(i, &code)| f32::from(code >> 4 | bit(i + 16))))
}

fn q5_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (value, code) in out
        .iter_mut()
        .zip(five_bit_codes(fifth_bits(&block[2..]), &block[6..]))
    {
        *value = d * (code - 16.0);
    }
}

fn q5_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (value, code) in out
        .iter_mut()
        .zip(five_bit_codes(fifth_bits(&block[4..]), &block[8..]))
    {
        *value = d * code + m;
    }
}

fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (value, &code) in out.iter_mut().zip(&block[2..]) {
        *value = d * f32::from(code.cast_signed());
    }
}

/// Scale and offset of each of the eight groups of a Q4_K or Q5_K block: value = scale q - offset.
fn k_groups(block: &[u8]) -> [(f32, f32); 8] {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let mut packed = [0; 12];
    packed.copy_from_slice(&block[4..16]);
    std::array::from_fn(|group| {
        let (scale, min) = k_scales(&packed, group);
        (d * f32::from(scale), dmin * f32::from(min))
    })
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    let groups = k_groups(block);
    let pairs = out.chunks_exact_mut(64).zip(block[16..].chunks_exact(32));
    for (pair, (values, codes)) in pairs.enumerate() {
        let (low, high) = values.split_at_mut(32);
        let ((scale, offset), (scale_high, offset_high)) = (groups[2 * pair], groups[2 * pair + 1]);
        for ((&code, low), high) in codes.iter().zip(low).zip(high) {
            *low = scale * f32::from(code & 15) - offset;
            *high = scale_high * f32::from(code >> 4) - offset_high;
        }
    }
}

fn q5_k(block: &[u8], out: &mut [f32]) {
    let groups = k_groups(block);
    let fifth = &block[16..48];
    let pairs = out.chunks_exact_mut(64).zip(block[48..].chunks_exact(32));
    for (pair, (values, codes)) in pairs.enumerate() {
        let (low, high) = values.split_at_mut(32);
        let ((scale, offset), (scale_high, offset_high)) = (groups[2 * pair], groups[2 * pair + 1]);
        for (i, (&code, &fifth)) in codes.iter().zip(fifth).enumerate() {
            let bits = fifth >> (2 * pair);
            low[i] = scale * f32::from(code & 15 | (bits & 1) << 4) - offset;
            high[i] = scale_high * f32::from(code >> 4 | (bits >> 1 & 1) << 4) - offset_high;
        }
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low_codes, rest) = block.split_at(128);
    let (high_codes, rest) = rest.split_at(64);
    let d = half_at(rest, 16);
    for (part, values) in out.chunks_exact_mut(128).enumerate() {
        let low = &low_codes[64 * part..64 * (part + 1)];
        let high = &high_codes[32 * part..32 * (part + 1)];
        let scales = &rest[8 * part..8 * (part + 1)];
        for (i, value) in values.iter_mut().enumerate() {
            let (quarter, lane) = (i / 32, i % 32);
            let byte = low[32 * (quarter % 2) + lane];
            let nibble = if quarter < 2 { byte & 15 } else { byte >> 4 };
            let code = nibble | (high[lane] >> (2 * quarter) & 3) << 4;
            let scale = d * f32::from(scales[i / 16].cast_signed());
            *value = scale * (f32::from(code) - 32.0);
        }
    }
}
