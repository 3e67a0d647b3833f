//! Compressed frames to words.
//!
//! RLE is unpacked here; JPEG by `jpeg-decoder`, JPEG-LS by `pure_jpegls`, JPEG 2000 by `openjp2`.
//! Twelve-bit lossy JPEG (Extended, process 4) is refused: no decoder for it is maintained.

use super::syntax::Packing;
use crate::error::Fault;

/// Why a frame could not be decoded.
#[derive(Debug)]
pub(super) struct CodecFault {
    pub(super) fault: Fault,
    pub(super) what: String,
}

fn broken(what: impl std::fmt::Display) -> CodecFault {
    CodecFault {
        fault: Fault::Truncated,
        what: format!("its compressed pixels are damaged: {what}"),
    }
}

fn unsupported(what: impl Into<String>) -> CodecFault {
    CodecFault {
        fault: Fault::Unsupported,
        what: what.into(),
    }
}

/// The size a frame must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameSize {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// 1 or 2.
    pub(super) bytes_per_pixel: usize,
}

impl FrameSize {
    fn pixels(self) -> usize {
        self.rows * self.columns
    }
}

/// Decodes one frame into words, a pixel each, bits as they were before compression.
pub(super) fn decode(
    packing: Packing,
    bytes: &[u8],
    size: FrameSize,
) -> Result<Vec<u16>, CodecFault> {
    let unpack = || match packing {
        Packing::Native => Err(broken("native pixels in a compressed frame")),
        Packing::Rle => rle(bytes, size),
        Packing::Jpeg => jpeg(bytes, size),
        Packing::JpegLs => jpeg_ls(bytes, size),
        Packing::Jpeg2000 => jpeg_2000(bytes, size),
    };
    // The decoders are not ours, and damaged streams are known to make one of them overflow. They
    // hold no state between frames, so that a panic leaves nothing half done.
    let words = std::panic::catch_unwind(unpack)
        .unwrap_or_else(|_| Err(broken("the decoder gave up on them")))?;
    if words.len() == size.pixels() {
        Ok(words)
    } else {
        Err(broken(format!(
            "{} pixels instead of {}",
            words.len(),
            size.pixels()
        )))
    }
}

/// PS3.5 annex G: one segment a byte plane, the most significant first.
fn rle(bytes: &[u8], size: FrameSize) -> Result<Vec<u16>, CodecFault> {
    let number = |at: usize| {
        let word = bytes.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
    };
    let count = number(0).ok_or_else(|| broken("no RLE header"))?;
    if count != size.bytes_per_pixel {
        return Err(broken(format!(
            "{count} RLE segments, {} expected",
            size.bytes_per_pixel
        )));
    }
    let mut words = vec![0_u16; size.pixels()];
    for segment in 0..count {
        let start = number(1 + segment).unwrap_or(0);
        let end = if segment + 1 < count {
            number(2 + segment)
        } else {
            Some(bytes.len())
        };
        let plane = end
            .and_then(|end| bytes.get(start..end))
            .filter(|_| start >= 64);
        let plane = plane.ok_or_else(|| broken("an RLE segment lies outside the frame"))?;
        unpack_bits(plane, &mut words).ok_or_else(|| broken("an RLE segment ends too early"))?;
    }
    Ok(words)
}

/// Shifts one more byte into each word, from a PackBits stream; `None` if it ends too early.
fn unpack_bits(mut packed: &[u8], words: &mut [u16]) -> Option<()> {
    let mut words = words.iter_mut();
    while words.len() > 0 {
        let (&control, rest) = packed.split_first()?;
        packed = rest;
        match control {
            0..=127 => {
                let count = usize::from(control) + 1;
                let literal = packed.get(..count.min(words.len()))?;
                for (byte, word) in literal.iter().zip(words.by_ref()) {
                    *word = *word << 8 | u16::from(*byte);
                }
                packed = packed.get(count..).unwrap_or_default();
            }
            128 => {}
            129..=255 => {
                let (&byte, rest) = packed.split_first()?;
                packed = rest;
                for word in words.by_ref().take(257 - usize::from(control)) {
                    *word = *word << 8 | u16::from(byte);
                }
            }
        }
    }
    Some(())
}

fn jpeg(bytes: &[u8], size: FrameSize) -> Result<Vec<u16>, CodecFault> {
    use jpeg_decoder::{Decoder, Error, PixelFormat};
    let failed = |e: Error| match e {
        Error::Unsupported(_) if dct_precision(bytes) == Some(12) => {
            unsupported("is compressed as lossy 12-bit JPEG (Extended, process 4)")
        }
        Error::Unsupported(_) => unsupported(format!("uses a kind of JPEG not supported: {e}")),
        _ => broken(e),
    };
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(4 * size.pixels().max(1 << 16));
    decoder.read_info().map_err(failed)?;
    let info = decoder
        .info()
        .ok_or_else(|| broken("no JPEG frame header"))?;
    check_size(usize::from(info.height), usize::from(info.width), size)?;
    let decoded = decoder.decode().map_err(failed)?;
    match info.pixel_format {
        PixelFormat::L8 => Ok(decoded.into_iter().map(u16::from).collect()),
        PixelFormat::L16 => Ok(decoded
            .chunks_exact(2)
            .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
            .collect()),
        _ => Err(unsupported("is compressed as a colour image")),
    }
}

/// Bits a sample in a DCT frame header (markers C0, C1 and C2), if the stream has one.
fn dct_precision(bytes: &[u8]) -> Option<u8> {
    let marker = bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && (0xC0..=0xC2).contains(&pair[1]))?;
    bytes.get(marker + 4).copied()
}

fn jpeg_ls(bytes: &[u8], size: FrameSize) -> Result<Vec<u16>, CodecFault> {
    let (rows, columns) = (size.rows as u32, size.columns as u32);
    match jpegls::decode(bytes, columns, rows) {
        Ok((words, ..)) => Ok(words),
        Err(e @ jpegls::CodecError::Unsupported(_)) => Err(unsupported(format!(
            "uses a kind of JPEG-LS not supported: {e}"
        ))),
        Err(e) => Err(broken(e)),
    }
}

fn jpeg_2000(bytes: &[u8], size: FrameSize) -> Result<Vec<u16>, CodecFault> {
    let (rows, columns) = jpeg_2000_size(bytes).ok_or_else(|| broken("no JPEG 2000 header"))?;
    check_size(rows, columns, size)?;
    let image = jpeg2k::Image::from_bytes(bytes).map_err(broken)?;
    let [component] = image.components() else {
        return Err(unsupported("is compressed as a colour image"));
    };
    // Two's complement of the low 16 bits, as a native frame would hold it.
    Ok(component.data().iter().map(|&value| value as u16).collect())
}

/// Rows and columns in the SIZ segment, so that nothing is allocated for a header that lies.
fn jpeg_2000_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = bytes
        .windows(4)
        .position(|four| four == [0xFF, 0x4F, 0xFF, 0x51])?
        + 4;
    let number = |field: usize| {
        let word = bytes.get(at + 4 + 4 * field..at + 8 + 4 * field)?;
        Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]) as usize)
    };
    let (width, height, left, top) = (number(0)?, number(1)?, number(2)?, number(3)?);
    Some((height.checked_sub(top)?, width.checked_sub(left)?))
}

fn check_size(rows: usize, columns: usize, size: FrameSize) -> Result<(), CodecFault> {
    if (rows, columns) == (size.rows, size.columns) {
        return Ok(());
    }
    Err(broken(format!(
        "the compressed frame has {rows} × {columns} pixels, the header says {} × {}",
        size.rows, size.columns
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rle_frame(planes: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![planes.len() as u32];
        let mut offset = 64;
        for plane in planes {
            header.push(offset);
            offset += plane.len() as u32;
        }
        header.resize(16, 0);
        let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
        planes
            .iter()
            .for_each(|plane| bytes.extend_from_slice(plane));
        bytes
    }

    const SIZE: FrameSize = FrameSize {
        rows: 1,
        columns: 4,
        bytes_per_pixel: 2,
    };

    #[test]
    fn runs_and_literals_unpack_to_words() {
        // High plane: 1 four times. Low plane: 5, 6, then 7 twice, a no-op before it.
        let frame = rle_frame(&[&[253, 1], &[1, 5, 6, 128, 255, 7]]);
        let words = decode(Packing::Rle, &frame, SIZE).unwrap();
        assert_eq!(words, [0x0105, 0x0106, 0x0107, 0x0107]);
    }

    #[test]
    fn damaged_frames_are_errors() {
        let short = rle_frame(&[&[253, 1], &[1, 5]]);
        let outside = {
            let mut f = rle_frame(&[&[253, 1], &[253, 1]]);
            f[8] = 255;
            f
        };
        for frame in [
            &short[..],
            &outside,
            &[],
            &[2, 0, 0, 0],
            &rle_frame(&[&[253, 1]]),
        ] {
            let fault = decode(Packing::Rle, frame, SIZE).unwrap_err();
            assert_eq!(fault.fault, Fault::Truncated);
        }
        for packing in [Packing::Jpeg, Packing::JpegLs, Packing::Jpeg2000] {
            assert!(decode(packing, b"\xff\xd8\xff\xd9", SIZE).is_err());
        }
    }
}
