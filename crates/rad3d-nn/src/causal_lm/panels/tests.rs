//! Both kinds of kernels against the reader of weight files, which has a reference of its own.

use half::f16;
use proptest::prelude::*;
use rad3d_weights::{DType, quant::dequantise};

use super::*;
use crate::causal_lm::rounded::{BLOCK, CodeKind};
use crate::causal_lm::rows::Rows;

const FORMATS: [(BlockFormat, DType); 8] = [
    (BlockFormat::Q4_0, DType::Q4_0),
    (BlockFormat::Q4_1, DType::Q4_1),
    (BlockFormat::Q5_0, DType::Q5_0),
    (BlockFormat::Q5_1, DType::Q5_1),
    (BlockFormat::Q8_0, DType::Q8_0),
    (BlockFormat::Q4K, DType::Q4K),
    (BlockFormat::Q5K, DType::Q5K),
    (BlockFormat::Q6K, DType::Q6K),
];

const KINDS: [CodeKind; 3] = [CodeKind::Bytes, CodeKind::Digits, CodeKind::Words];

fn kernels() -> impl Iterator<Item = (Isa, CodeKind)> {
    Isa::available()
        .into_iter()
        .flat_map(|isa| KINDS.map(|kind| (isa, kind)))
}

/// Numbers that look random and are the same everywhere (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Blocks of random codes, every bit of them possible, with small finite scales.
fn random_blocks(format: BlockFormat, blocks: usize, noise: &mut Noise) -> Vec<u8> {
    let scales: &[usize] = match format {
        BlockFormat::Q4_0 | BlockFormat::Q5_0 | BlockFormat::Q8_0 => &[0],
        BlockFormat::Q6K => &[208],
        _ => &[0, 2],
    };
    let mut bytes = Vec::new();
    for _ in 0..blocks {
        let mut block: Vec<u8> = (0..format.block_bytes())
            .map(|_| noise.next() as u8)
            .collect();
        for &at in scales {
            let scale = f16::from_f32(0.1 * noise.float());
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
        bytes.extend(block);
    }
    bytes
}

struct Case {
    packed: QuantPanels,
    rows: usize,
    columns: usize,
    /// By the reader of weight files, which has its own reference: `[rows, columns]`.
    expected: Vec<f32>,
}

impl Case {
    fn product(&self, isa: Isa, input: &RoundedRows) -> Rows {
        let mut out = Rows::zeros(input.count, self.rows);
        let panels = 0..self.rows.div_ceil(LANES);
        // SAFETY: `out` has a row for each input and columns for all panels.
        unsafe {
            self.packed
                .multiply_rounded(isa, panels, input, out.shared())
        };
        out
    }
}

fn case(format: BlockFormat, dtype: DType, rows: usize, noise: &mut Noise) -> Case {
    let columns = if format.block_columns() == TILE {
        96
    } else {
        512
    };
    let blocks = rows * columns / format.block_columns();
    let bytes = random_blocks(format, blocks, noise);
    let mut expected = vec![0.0; rows * columns];
    assert!(dequantise(dtype, &bytes, &mut expected));
    let pool = Pool::new(2).unwrap();
    let packed = QuantPanels::pack(format, rows, columns, &bytes, &pool);
    Case {
        packed,
        rows,
        columns,
        expected,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn unpacked_weights_are_the_dequantised_ones_to_the_bit(seed: u64, rows in 1usize..20) {
        let mut noise = Noise(seed);
        for (format, dtype) in FORMATS {
            let case = case(format, dtype, rows, &mut noise);
            for isa in Isa::available() {
                for panel in 0..rows.div_ceil(LANES) {
                    let mut met = vec![0.0; case.columns * LANES];
                    // SAFETY: the scratch has eight floats a column.
                    unsafe {
                        case.packed.unpack(isa, panel, 0..case.columns, met.as_mut_ptr());
                    }
                    for lane in 0..LANES.min(rows - panel * LANES) {
                        for column in 0..case.columns {
                            let row = panel * LANES + lane;
                            prop_assert_eq!(
                                met[column * LANES + lane],
                                case.expected[row * case.columns + column],
                                "{:?} {:?} row {} column {}", isa, format, row, column
                            );
                        }
                    }
                }
            }
            let mut row = vec![0.0; case.columns];
            case.packed.row(rows - 1, &mut row);
            prop_assert_eq!(&row[..], &case.expected[(rows - 1) * case.columns..]);
        }
    }

    #[test]
    fn integer_products_are_those_of_the_dequantised_numbers(
        seed: u64,
        rows in 1usize..20,
        count in 1usize..14,
    ) {
        let pool = Pool::new(2).unwrap();
        let mut noise = Noise(seed);
        for (format, dtype) in FORMATS {
            let case = case(format, dtype, rows, &mut noise);
            let values: Vec<f32> =
                (0..count * case.columns).map(|_| 3.0 * noise.float()).collect();
            for (isa, kind) in kernels() {
                let rows = Rows::from_packed(case.columns, &values);
                let input = RoundedRows::new(isa, &rows, kind, &pool);
                let out = case.product(isa, &input);
                for index in 0..count {
                    for row in 0..case.rows {
                        let (mut sum, mut size) = (0f64, 0f64);
                        for column in 0..case.columns {
                            let scale = input.scales[(index * case.columns + column) / BLOCK];
                            let value = f64::from(input.code(index, column)) * f64::from(scale);
                            let weight = case.expected[row * case.columns + column];
                            sum += value * f64::from(weight);
                            size += (value * f64::from(weight)).abs();
                        }
                        let gap = (f64::from(out.row(index)[row]) - sum).abs();
                        prop_assert!(
                            gap <= 2e-6 * size + 1e-6,
                            "{:?} {:?} {:?} off by {} of {}", isa, kind, format, gap, size
                        );
                    }
                }
            }
        }
    }

    /// A text must not depend on how many others are written beside it.
    #[test]
    fn a_batch_gives_each_vector_the_bits_it_gets_alone_in_digits(
        seed: u64,
        rows in 1usize..40,
        count in 2usize..20,
    ) {
        let pool = Pool::new(2).unwrap();
        let mut noise = Noise(seed);
        for (format, dtype) in FORMATS {
            let case = case(format, dtype, rows, &mut noise);
            let values: Vec<f32> =
                (0..count * case.columns).map(|_| 3.0 * noise.float()).collect();
            let batch = Rows::from_packed(case.columns, &values);
            // Without an instruction that rounds once, sums differ in their last bits.
            for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::Portable) {
                for kind in [CodeKind::Words, CodeKind::Digits] {
                    let together = case.product(isa, &RoundedRows::new(isa, &batch, kind, &pool));
                    for index in 0..count {
                        let one = batch.select(&[index]);
                        let one = RoundedRows::new(isa, &one, CodeKind::Digits, &pool);
                        let alone = case.product(isa, &one);
                        prop_assert_eq!(
                            together.row(index),
                            alone.row(0),
                            "{:?} {:?} {:?} vector {} of {}", isa, kind, format, index, count
                        );
                    }
                }
            }
        }
    }
}

/// The largest codes with the largest activations: no intermediate sum may overflow.
#[test]
fn extreme_codes_do_not_overflow() {
    for (format, _) in FORMATS {
        let columns = format.block_columns();
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            let mut bytes = vec![fill; format.block_bytes() * LANES];
            for block in bytes.chunks_exact_mut(format.block_bytes()) {
                let one = f16::ONE.to_le_bytes();
                let at = if format == BlockFormat::Q6K { 208 } else { 0 };
                block[at..at + 2].copy_from_slice(&one);
                if !matches!(
                    format,
                    BlockFormat::Q4_0 | BlockFormat::Q5_0 | BlockFormat::Q8_0 | BlockFormat::Q6K
                ) {
                    block[2..4].copy_from_slice(&one);
                }
            }
            let pool = Pool::new(1).unwrap();
            let packed = QuantPanels::pack(format, LANES, columns, &bytes, &pool);
            for (sign, kind) in [1.0, -1.0]
                .into_iter()
                .flat_map(|sign| KINDS.map(|kind| (sign, kind)))
            {
                let values = Rows::from_packed(columns, &vec![sign; 2 * columns]);
                let mut sums = Vec::new();
                for isa in Isa::available() {
                    let input = RoundedRows::new(isa, &values, kind, &pool);
                    let mut out = Rows::zeros(2, LANES);
                    // SAFETY: one panel of output.
                    unsafe { packed.multiply_rounded(isa, 0..1, &input, out.shared()) };
                    sums.push(out.row(0).to_vec());
                }
                for found in &sums[1..] {
                    for (portable, found) in sums[0].iter().zip(found) {
                        let gap = (portable - found).abs();
                        assert!(
                            gap <= 1e-5 * portable.abs() + 1e-4,
                            "{format:?} {kind:?} {fill:x} {sign}"
                        );
                    }
                }
            }
        }
    }
}
