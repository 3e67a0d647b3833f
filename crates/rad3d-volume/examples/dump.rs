//! Writes what this crate reads from a scan, for comparison with other readers.
//!
//! `dump INPUT [OUT.f64]` prints one JSON object a series: grid, rescale, or the fault. Values
//! (after the rescale) of the series go to `OUT.f64`, `OUT.f64.1`, … as little-endian doubles,
//! `i` fastest; if `OUT` ends in `.nii` or `.nii.gz`, the first series is written as NIfTI with
//! 32-bit floats instead, to be looked at with other programs. Used by `tests/golden/compare_readers.py`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use rad3d_volume::{Input, VolumeError, write};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(input) = arguments.next() else {
        return Err(io::Error::other("usage: dump INPUT [OUT.f64]"));
    };
    let out = arguments.next();
    let mut lines = Vec::new();
    match Input::open(Path::new(&input)) {
        Err(error) => lines.push(refusal(&error)),
        Ok(input) => {
            for index in 0..input.series().len() {
                let out = out.as_ref().map(|out| match index {
                    0 => out.clone(),
                    _ => format!("{out}.{index}"),
                });
                lines.push(series(&input, index, out.as_deref())?);
            }
        }
    }
    let mut stdout = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))
}

fn series(input: &Input, index: usize, out: Option<&str>) -> io::Result<Value> {
    let files: Vec<String> = input
        .files(index)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let volume = match input.read(index, false) {
        Ok(volume) => volume,
        Err(error) => {
            let mut line = refusal(&error);
            line["files"] = json!(files);
            return Ok(line);
        }
    };
    if let Some(out) = out.filter(|out| out.contains(".nii")) {
        let values: Vec<f32> = (0..volume.voxels.len())
            .map(|at| volume.rescale.apply(volume.voxels.get(at)) as f32)
            .collect();
        write::nifti(Path::new(out), &volume.geometry, &values).map_err(io::Error::other)?;
    } else if let Some(out) = out {
        let mut file = BufWriter::new(std::fs::File::create(out)?);
        let rescale = volume.rescale;
        for at in 0..volume.voxels.len() {
            let value = rescale.apply(volume.voxels.get(at));
            file.write_all(&value.to_le_bytes())?;
        }
        file.flush()?;
    }
    Ok(json!({
        "files": files,
        "format": volume.format,
        "geometry": volume.geometry,
        "voxel_type": volume.voxels.voxel_type(),
        "declared": volume.geometry_declared,
        "warnings": volume.warnings,
    }))
}

fn refusal(error: &VolumeError) -> Value {
    json!({ "fault": error.fault, "error": error.to_string(), "hint": error.hint })
}
