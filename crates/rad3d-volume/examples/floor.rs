//! The least that preprocessing a gzipped scan can take: read it, inflate it, write a tensor.
//!
//! `floor SCAN.nii.gz OUT`: inflates with the same library that the reader uses, in one piece,
//! and writes 221 MB of zeros (1 × 1 × 240 × 480 × 480 f32) to OUT.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(scan), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: floor SCAN.nii.gz OUT".into());
    };
    let compressed = std::fs::read(scan)?;
    let last_four = compressed.last_chunk::<4>().ok_or("too short for gzip")?;
    let mut inflated = vec![0_u8; u32::from_le_bytes(*last_four) as usize];
    libdeflater::Decompressor::new().gzip_decompress(&compressed, &mut inflated)?;
    let slice = vec![0_u8; 480 * 480 * 4];
    let mut file = std::fs::File::create(out)?;
    for _ in 0..240 {
        file.write_all(&slice)?;
    }
    // Keeps the inflated bytes from being optimised away.
    std::io::stdout().write_all(&inflated[..1])?;
    Ok(())
}
