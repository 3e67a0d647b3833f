"""Reference values of the public DICOM files that the tests read where they are present.

    python tests/golden/dicom_shared.py SHARED > crates/rad3d-volume/tests/fixtures/dicom/shared.json

SHARED is the folder with `data/ct` and `data/dicom`. Pixels are decoded by pydicom (pylibjpeg and
its plugins), slices sorted along their normal, slope and intercept applied in float64.
"""

import json
import sys
from pathlib import Path

import numpy
import pydicom

shared = Path(sys.argv[1]) / "data"


def facts(frames):
    """frames: list of (position, orientation, pixel spacing, slope, intercept, stored pixels)."""
    row, column = (numpy.array(frames[0][1][i : i + 3], float) for i in (0, 3))
    normal = numpy.cross(row, column)
    frames = sorted(frames, key=lambda f: float(numpy.dot(f[0], normal)))
    hu = numpy.stack([f[5] * float(f[3]) + float(f[4]) for f in frames])
    whole = numpy.rint(hu).astype(numpy.int64).ravel()
    weight = (numpy.arange(whole.size, dtype=numpy.uint64) * numpy.uint64(2654435761)) & numpy.uint64(0xFFFFFFFF)
    steps = numpy.diff([numpy.dot(f[0], normal) for f in frames])
    return {
        "dims_ijk": [hu.shape[2], hu.shape[1], hu.shape[0]],
        "spacing_ij_mm": [float(frames[0][2][1]), float(frames[0][2][0])],
        "spacing_k_mm": float(numpy.median(steps)) if len(steps) else None,
        "origin_lps_mm": [float(x) for x in frames[0][0]],
        "min_hu": float(hu.min()),
        "max_hu": float(hu.max()),
        "sum_hu": float(hu.sum()),
        # Depends on every value and on its place; equal sums mean equal volumes.
        "hash": str(int((whole.view(numpy.uint64) * weight).sum(dtype=numpy.uint64))),
    }


def classic(path):
    data = pydicom.dcmread(path, force=True)
    slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    return [(
        numpy.array(data.ImagePositionPatient, float), data.ImageOrientationPatient,
        data.PixelSpacing, slope, intercept, data.pixel_array.astype(float),
    )]


def enhanced(path):
    data = pydicom.dcmread(path)
    shared_groups = data.SharedFunctionalGroupsSequence[0]

    def group(frame, name):
        return (frame if name in frame else shared_groups)[name][0]

    return [(
        numpy.array(group(frame, "PlanePositionSequence").ImagePositionPatient, float),
        group(frame, "PlaneOrientationSequence").ImageOrientationPatient,
        group(frame, "PixelMeasuresSequence").PixelSpacing,
        group(frame, "PixelValueTransformationSequence").RescaleSlope,
        group(frame, "PixelValueTransformationSequence").RescaleIntercept,
        pixels.astype(float),
    ) for frame, pixels in zip(data.PerFrameFunctionalGroupsSequence, data.pixel_array)]


table = {}
folders = ["ct/lung-pet-ct-dx-a0001", "dicom/abdomen-j2k", "dicom/failing/slicecount/001"]
folders += [f"dicom/dicom2nifti/compressed_{name}/001" for name in ("j2k", "jpeg", "jpegls", "rle")]
for folder in folders:
    files = [f for f in sorted((shared / folder).iterdir()) if f.suffix == ".dcm" or f.name.startswith("CT.")]
    table[folder] = facts(sum(map(classic, files), []))
for file in sorted((shared / "dicom/encodings").glob("*.dcm")):
    table[f"dicom/encodings/{file.name}"] = facts(classic(file))
for file in sorted((shared / "dicom/multiframe").glob("CT0012*.dcm")):
    try:
        table[f"dicom/multiframe/{file.name}"] = facts(enhanced(file))
    except Exception as error:
        print(file.name, error, file=sys.stderr)
json.dump(table, sys.stdout, indent=1)
