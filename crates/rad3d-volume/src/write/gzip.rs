//! Gzip on all cores.
//!
//! Blocks are deflated side by side and end on whole bytes (a sync flush), so that one after
//! the other they are a single gzip member, which every reader takes in one go.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use rayon::prelude::*;

/// Bytes deflated at a time; long enough that starting without history costs under 1 %.
const BLOCK: usize = 1 << 20;

/// Magic, deflate, no flags, no time, fastest level, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Compresses `parts`, one after the other, into one gzip member.
pub(super) fn write(out: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    out.write_all(&HEADER)?;
    let mut checksum = Crc::new();
    let blocks: Vec<&[u8]> = parts.iter().flat_map(|part| part.chunks(BLOCK)).collect();
    // A few blocks a core at a time bounds the memory that waits to be written.
    for batch in blocks.chunks(4 * rayon::current_num_threads()) {
        let deflated: Vec<(Vec<u8>, Crc)> = batch
            .par_iter()
            .map(|block| deflate(block, false))
            .collect::<io::Result<_>>()?;
        for (bytes, crc) in deflated {
            out.write_all(&bytes)?;
            checksum.combine(&crc);
        }
    }
    let (end, _) = deflate(&[], true)?;
    out.write_all(&end)?;
    out.write_all(&checksum.sum().to_le_bytes())?;
    out.write_all(&checksum.amount().to_le_bytes())
}

fn deflate(block: &[u8], last: bool) -> io::Result<(Vec<u8>, Crc)> {
    let mut checksum = Crc::new();
    checksum.update(block);
    let mut deflater = Compress::new(Compression::fast(), false);
    // Incompressible data grows by 5 bytes per 16 KiB at most, and the flush takes a few.
    let mut bytes = Vec::with_capacity(block.len() + block.len() / 1000 + 64);
    let flush = if last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    loop {
        let taken = usize::try_from(deflater.total_in()).unwrap_or(usize::MAX);
        let rest = block.get(taken..).unwrap_or_default();
        let status = deflater
            .compress_vec(rest, &mut bytes, flush)
            .map_err(io::Error::other)?;
        let room = bytes.len() < bytes.capacity();
        if status == Status::StreamEnd || !last && room && deflater.total_in() == block.len() as u64
        {
            return Ok((bytes, checksum));
        }
        bytes.reserve(block.len() / 8 + 64);
    }
}
