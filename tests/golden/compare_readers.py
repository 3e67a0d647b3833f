"""Compares what rad3d reads with SimpleITK, nibabel and pydicom, for every scan under folders.

Run, after `cargo build --release -p rad3d-volume --example dump`:
    python tests/golden/compare_readers.py PATH...

Packages: nibabel 5.4.2, SimpleITK 2.5.7, pydicom 3.0.2 with pylibjpeg and its codecs, numpy.
One table row a series: the shape, the largest distance of a corner of the volume in the patient
(mm), the largest difference of values (HU), or rad3d's reason for refusing. Exit status 1 if
a series differs by more than 0.01 mm or 0.001 HU.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk

TARGET = Path(__file__).parents[2] / "target"
DUMP = next(
    (d for d in (TARGET / "release/examples/dump", TARGET / "debug/examples/dump") if d.exists()),
    None,
)
VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
CORNERS = np.array([(i, j, k, 1) for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)


def ours(path, scratch):
    """The series under `path`: JSON, and values as [k, j, i]."""
    out = Path(scratch) / "values"
    run = subprocess.run([DUMP, path, out], capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"dump failed on {path}: {run.stderr}")
    for number, line in enumerate(run.stdout.splitlines()):
        series = json.loads(line)
        values = None
        if "geometry" in series:
            file = out if number == 0 else Path(f"{out}.{number}")
            shape = series["geometry"]["dims_ijk"][::-1]
            values = np.fromfile(file, "<f8").reshape(shape)
            file.unlink()
        yield series, values


def affine(geometry):
    """Voxel index to LPS millimetres."""
    matrix = np.eye(4)
    for axis in range(3):
        matrix[:3, axis] = np.array(geometry["directions_lps"][axis]) * geometry["spacing_mm"][axis]
    matrix[:3, 3] = geometry["origin_lps_mm"]
    return matrix


def nibabel_reads(path):
    image = nib.load(path)
    return image.get_fdata().T, np.diag([-1, -1, 1, 1]) @ image.affine


def itk_reads(image):
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).astype(float), matrix


def group(ds, frame, sequence, attribute, fallback=None):
    """An attribute of one frame: its own, else the shared one, else the data set's."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = ds.get(groups) or []
        item = items[frame if groups.startswith("Per") else 0] if items else {}
        if sequence in item and attribute in item[sequence].value[0]:
            return item[sequence].value[0][attribute].value
    return ds[attribute].value if attribute in ds else fallback


def pydicom_reads(files):
    """All frames of all files in HU, sorted by position along the normal; and the affine."""
    frames = []
    for file in files:
        ds = pydicom.dcmread(file, force=True)
        pixels = ds.pixel_array
        for number, frame in enumerate(pixels if pixels.ndim == 3 else [pixels]):
            def of(sequence, attribute, fallback=None):
                return group(ds, number, sequence, attribute, fallback)

            slope = float(of("PixelValueTransformationSequence", "RescaleSlope", 1))
            intercept = float(of("PixelValueTransformationSequence", "RescaleIntercept", 0))
            start = of("PlanePositionSequence", "ImagePositionPatient")
            turn = of("PlaneOrientationSequence", "ImageOrientationPatient")
            spacing = of("PixelMeasuresSequence", "PixelSpacing")
            frames.append((frame * slope + intercept, start, turn, spacing))
    _, start, turn, spacing = frames[0]
    if start is None or turn is None:
        return np.stack([frame[0] for frame in frames]), None
    row, column = np.array(turn, float).reshape(2, 3)
    normal = np.cross(row, column)
    frames.sort(key=lambda frame: float(np.dot(normal, np.array(frame[1], float))))
    starts = np.array([frame[1] for frame in frames], float)
    matrix = None
    if len(frames) > 1 and spacing is not None:
        matrix = np.eye(4)
        matrix[:3, 0] = row * float(spacing[1])
        matrix[:3, 1] = column * float(spacing[0])
        matrix[:3, 2] = (starts[-1] - starts[0]) / (len(frames) - 1)
        matrix[:3, 3] = starts[0]
    return np.stack([frame[0] for frame in frames]), matrix


def theirs(series):
    """(reader, values, affine) of each reader that reads the series."""
    files = series["files"]
    if series["format"] != "DICOM":
        path = files[0]
        if series["format"] == "NIfTI":
            yield ("nibabel", *nibabel_reads(path))
        yield ("SimpleITK", *itk_reads(sitk.ReadImage(path)))
        return
    yield ("pydicom", *pydicom_reads(files))
    if len(files) > 1:
        reader = sitk.ImageSeriesReader()
        by_position = sorted(files, key=lambda f: position(f))
        reader.SetFileNames(by_position)
        yield ("SimpleITK", *itk_reads(reader.Execute()))


def position(file):
    ds = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    row, column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
    return float(np.dot(np.cross(row, column), np.array(ds.ImagePositionPatient, float)))


def compare(values, geometry, other, matrix):
    """Largest corner distance (None if the reader places nothing) and value difference."""
    mine = affine(geometry)
    if values.shape != other.shape:
        return None, None, f"shape {other.shape}"
    if matrix is not None and np.dot(mine[:3, 2], matrix[:3, 2]) < 0:
        # The same slices, counted from the other end.
        other = other[::-1]
        matrix = matrix.copy()
        matrix[:3, 3] += matrix[:3, 2] * (other.shape[0] - 1)
        matrix[:3, 2] *= -1
    difference = float(np.abs(values - other).max())
    if matrix is None:
        return None, difference, ""
    steps = np.array([*geometry["dims_ijk"], 1]) - 1
    corners = CORNERS * np.array([*steps[:3], 1])
    distance = float(np.abs(corners @ (mine - matrix).T).max())
    return distance, difference, ""


def is_dicom(path):
    """By its magic, or by its name where a file lacks a preamble."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def inputs(root):
    """Volume files, and folders that hold DICOM files directly."""
    if root.is_file():
        return [root]
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    volumes = [path for path in files if path.name.lower().endswith(VOLUMES)]
    dicom = sorted({path.parent for path in files if path not in volumes and is_dicom(path)})
    single = [d for d in dicom if d.name in ("encodings", "multiframe")]
    for folder in single:
        volumes += [path for path in files if path.parent == folder]
    return volumes + [folder for folder in dicom if folder not in single]


def main(roots):
    if DUMP is None:
        raise SystemExit("first: cargo build --release -p rad3d-volume --example dump")
    bad = 0
    print("| input | shape (k, j, i) | reader | corner, mm | HU | note |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for root in map(Path, roots):
            for path in inputs(root):
                name = path.relative_to(root) if path != root else path.name
                for series, values in ours(path, scratch):
                    if values is None:
                        print(f"| {name} | | | | | {series['fault']}: {series['error']} |")
                        continue
                    try:
                        for reader, other, matrix in theirs(series):
                            distance, difference, note = compare(
                                values, series["geometry"], other, matrix
                            )
                            wrong = bool(note) or difference > 1e-3 or (distance or 0) > 0.01
                            bad += wrong
                            place = "" if distance is None else f"{distance:.2g}"
                            hu = "" if difference is None else f"{difference:.2g}"
                            note = ("DIFFERS " if wrong else "") + note
                            print(f"| {name} | {values.shape} | {reader} | {place} | {hu} | {note} |")
                    except Exception as error:  # their reader's refusal is a result, too
                        text = str(error).replace("\n", " ")[:120]
                        print(f"| {name} | {values.shape} | | | | other reader failed: {text} |")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
