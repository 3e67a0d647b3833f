"""rad3d preprocess against the published Python steps, interleaved.

    python benches/preprocess.py [--runs 5]

Makes a noisy 512 x 512 x 300 int16 scan (seeded) as .nii.gz of about 73 MB and as DICOM, runs both
sides in turn, and prints medians, ratios and how far we are from the floor: one read, one inflate,
one write. Packages: benches/requirements.txt. Nothing else may run meanwhile.
"""

import argparse
import gzip
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import nibabel
import numpy
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"
SHAPE = (512, 512, 300)
XY_MM, Z_MM = 0.7, 1.0


def scan() -> numpy.ndarray:
    """A torso with two lungs in HU, noise of 10 HU: int16, axes left, posterior, superior."""
    rng = numpy.random.default_rng(20240613)
    x = numpy.linspace(-1, 1, SHAPE[0], dtype=numpy.float32)[:, None, None]
    y = numpy.linspace(-1, 1, SHAPE[1], dtype=numpy.float32)[None, :, None]
    z = numpy.linspace(-1, 1, SHAPE[2], dtype=numpy.float32)[None, None, :]
    volume = numpy.full(SHAPE, -1000, numpy.float32)
    volume[numpy.broadcast_to((x / 0.9) ** 2 + (y / 0.65) ** 2 < 1, SHAPE)] = 40
    for side in (-0.42, 0.42):
        lung = ((x - side) / 0.32) ** 2 + (y / 0.45) ** 2 + (z / 0.95) ** 2 < 1
        volume[lung] = -820
    volume += rng.normal(0, 10, SHAPE).astype(numpy.float32)
    return numpy.clip(volume, -1024, 3071).round().astype(numpy.int16)


def write_nifti(volume: numpy.ndarray, path: pathlib.Path) -> None:
    affine = numpy.diag([-XY_MM, -XY_MM, Z_MM, 1.0])
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(image.to_bytes())


def write_dicom(volume: numpy.ndarray, folder: pathlib.Path) -> None:
    folder.mkdir()
    series, study = generate_uid(entropy_srcs=["series"]), generate_uid(entropy_srcs=["study"])
    for k in range(SHAPE[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["slice", str(k)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID, data.StudyInstanceUID = series, study
        data.Modality, data.PatientID, data.BodyPartExamined = "CT", "BENCH", "CHEST"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.ImagePositionPatient = [0, 0, k * Z_MM]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing = [XY_MM, XY_MM]
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.Rows, data.Columns = SHAPE[1], SHAPE[0]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        data.PixelData = (volume[:, :, k].T + 1024).astype("<u2").tobytes()
        data.save_as(folder / f"{k:03}.dcm", enforce_file_format=True)


def measured(command: list[str]) -> dict:
    """Wall and CPU seconds and peak memory of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed: {errors.decode(errors='replace')[-2000:]}")
    return {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_gb": usage.ru_maxrss * 1024 / 1e9,
    }


def largest_difference(ours: pathlib.Path, theirs: pathlib.Path) -> float:
    from safetensors.numpy import load_file

    return float(numpy.abs(load_file(ours)["volume"][0] - numpy.load(theirs)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    WORK.mkdir(parents=True, exist_ok=True)
    nifti, dicom = WORK / "scan.nii.gz", WORK / "scan-dicom"
    if not (nifti.exists() and dicom.exists()):
        volume = scan()
        write_nifti(volume, nifti)
        write_dicom(volume, dicom)
    cargo = ["cargo", "build", "--release", "--locked", "-q"]
    subprocess.run([*cargo, "-p", "rad3d"], cwd=ROOT, check=True)
    subprocess.run([*cargo, "-p", "rad3d-volume", "--example", "floor"], cwd=ROOT, check=True)
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

    ours_out, theirs_out = WORK / "ours.safetensors", WORK / "theirs.npy"
    reference = [sys.executable, str(ROOT / "benches" / "preprocess_reference.py"), str(nifti)]
    reference += ["1", "0", str(XY_MM), str(Z_MM)]
    sides = {
        "rad3d, NIfTI": [str(built / "rad3d"), "preprocess", str(nifti), "--out", str(ours_out)],
        "Python, NIfTI": [*reference, "-"],
        "rad3d, DICOM": [
            str(built / "rad3d"), "preprocess", str(dicom), "--out", str(WORK / "dicom.safetensors")
        ],
        "floor": [str(built / "examples" / "floor"), str(nifti), str(WORK / "floor.bin")],
    }
    for command in sides.values():
        measured(command)
    results = {name: [] for name in sides}
    for _ in range(runs):
        for name, command in sides.items():
            results[name].append(measured(command))
    median = {
        name: {key: statistics.median(run[key] for run in rows) for key in rows[0]}
        for name, rows in results.items()
    }
    subprocess.run([*reference, str(theirs_out)], check=True)

    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {runs} runs each")
    print(f"{nifti.stat().st_size / 1e6:.1f} MB .nii.gz, {SHAPE} int16")
    for name, row in median.items():
        print(f"{name:14} wall {row['wall_s']:6.3f} s  cpu {row['cpu_s']:6.3f} s  "
              f"peak {row['peak_gb']:.3f} GB")
    ours, theirs, floor = (median[name] for name in ("rad3d, NIfTI", "Python, NIfTI", "floor"))
    print(f"Python / rad3d: {theirs['wall_s'] / ours['wall_s']:.1f} x wall, "
          f"{theirs['cpu_s'] / ours['cpu_s']:.1f} x CPU")
    print(f"rad3d / floor: {ours['wall_s'] / floor['wall_s']:.2f} x wall")
    print(f"largest difference of the tensors: {largest_difference(ours_out, theirs_out):.2e}")
    print(json.dumps({"median": median, "runs": results}), file=open(WORK / "preprocess.json", "w"))


if __name__ == "__main__":
    main()
