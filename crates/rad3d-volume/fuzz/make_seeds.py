"""Writes the small seed files of the fuzz targets into fuzz/seeds/.

Run: python crates/rad3d-volume/fuzz/make_seeds.py
Needs the packages of tests/golden/requirements.txt. The output does not change from run to run.
"""

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

SEEDS = Path(__file__).parent / "seeds"
RNG = np.random.default_rng(0)


def folder(name):
    path = SEEDS / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def nifti():
    out = folder("nifti")
    values = RNG.integers(-1000, 1000, (4, 3, 2))
    affine = np.array([[0, -0.8, 0, 90], [-0.7, 0, 0, 100], [0, 0, 2.5, -50], [0, 0, 0, 1.0]])
    for kind, version in ((nib.Nifti1Image, 1), (nib.Nifti2Image, 2)):
        for dtype in (np.int16, np.uint8, np.float32, np.float64, np.int64):
            image = kind(values.astype(dtype), affine, dtype=dtype)
            image.header.set_slope_inter(1, 0)
            data = image.to_bytes()
            name = f"v{version}_{np.dtype(dtype).name}.nii"
            (out / name).write_bytes(data)
            if dtype == np.int16:
                (out / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        header = nib.Nifti1Header(endianness=">") if version == 1 else nib.Nifti2Header(endianness=">")
        header.set_data_dtype(">i2")
        image = kind(values.astype(">i2"), affine, header)
        image.header.set_qform(affine, 1)
        image.header.set_sform(None, 0)
        (out / f"v{version}_big.nii").write_bytes(image.to_bytes())


def itk_image(dtype):
    image = sitk.GetImageFromArray(RNG.integers(0, 200, (2, 3, 4)).astype(dtype))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-100, -90, -50))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, 1))
    return image


def itk(name, extension):
    out = folder(name)
    for dtype in (np.int16, np.uint8, np.float32, np.int64):
        for compress in (False, True):
            path = out / f"{np.dtype(dtype).name}_{'deflated' if compress else 'raw'}.{extension}"
            sitk.WriteImage(itk_image(dtype), str(path), compress)


def text_variants():
    header = (
        "NRRD0005\ntype: short\ndimension: 4\nspace: right-anterior-superior\nsizes: 1 2 2 2\n"
        "space directions: none (1,0,0) (0,1,0) (0,0,1.5)\nkinds: vector domain domain domain\n"
        'space units: "mm" "mm" "mm"\nencoding: ascii\nspace origin: (0,1,2)\nkey:=value\n\n'
    )
    (folder("nrrd") / "text.nrrd").write_text(header + "1 -2 3 -4 5 -6 7 -8\n")
    skips = (
        "NRRD0002\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nspacings: 1 1 2.5\nencoding: raw\n"
        "byte skip: -1\nline skip: 0\n\n"
    )
    (folder("nrrd") / "skip.nrrd").write_bytes(skips.encode() + b"xx12345678")
    mha = (
        "ObjectType = Image\nNDims = 3\nBinaryData = False\nRotation = 1 0 0 0 1 0 0 0 1\n"
        "Position = 1 2 3\nElementSize = 1 1 2\nDimSize = 2 2 2\nHeaderSize = -1\n"
        "ElementType = MET_DOUBLE\nElementDataFile = LOCAL\n1 2.5 -3 4 5e1 6 7 8\n"
    )
    (folder("metaimage") / "text.mha").write_text(mha)


def ct_slice(syntax, signed):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3.4"
    ds.Modality, ds.BodyPartExamined = "CT", "CHEST"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.StudyInstanceUID = "1.2.3", "1.2"
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 3, 4, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelRepresentation = int(signed)
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelPaddingValue = 1, -1024, 0
    pixels = RNG.integers(0, 2000, (3, 4)).astype("<u2")
    if syntax == ExplicitVRBigEndian:
        pixels = pixels.astype(">u2")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    if syntax == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, generate_instance_uid=False)
    return ds


def dicom():
    out = folder("dicom")
    syntaxes = {
        "implicit": ImplicitVRLittleEndian,
        "explicit": ExplicitVRLittleEndian,
        "big": ExplicitVRBigEndian,
        "rle": RLELossless,
    }
    for name, syntax in syntaxes.items():
        buffer = io.BytesIO()
        ct_slice(syntax, name != "explicit").save_as(buffer, enforce_file_format=True)
        (out / f"{name}.dcm").write_bytes(buffer.getvalue())
    # Without preamble and file meta, as old archives keep them.
    bare = ct_slice(ImplicitVRLittleEndian, True)
    del bare.file_meta
    buffer = io.BytesIO()
    bare.save_as(buffer, implicit_vr=True, little_endian=True)
    (out / "bare.dcm").write_bytes(buffer.getvalue())


if __name__ == "__main__":
    print("pydicom", pydicom.__version__, "nibabel", nib.__version__, "SimpleITK", sitk.__version__)
    nifti()
    itk("metaimage", "mha")
    itk("nrrd", "nrrd")
    text_variants()
    dicom()
