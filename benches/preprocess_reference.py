"""The published order of preprocessing steps in Python, for comparison (our own code).

Steps and their order: specification section 1. One scan, one float32 tensor in memory; nothing is
written, which is in the reference's favour.
"""

import sys

import nibabel
import numpy
import torch
import torch.nn.functional as functional


def preprocess(path: str, slope: float, intercept: float, xy_mm: float, z_mm: float):
    torch.set_num_threads(2)
    volume = nibabel.load(path).get_fdata()
    volume = slope * volume + intercept
    volume = numpy.clip(volume, -1000, 1000)
    volume = volume.transpose(2, 0, 1)
    size = [
        int(n * (current / target))
        for n, current, target in zip(volume.shape, (z_mm, xy_mm, xy_mm), (1.5, 0.75, 0.75))
    ]
    tensor = torch.tensor(volume)[None, None]
    tensor = functional.interpolate(tensor, size=size, mode="trilinear", align_corners=False)
    volume = (tensor[0, 0].numpy() / 1000).astype(numpy.float32)
    tensor = torch.tensor(volume)
    for axis, target in enumerate((240, 480, 480)):
        n = tensor.shape[axis]
        if n > target:
            tensor = tensor.narrow(axis, (n - target) // 2, target)
        elif n < target:
            before = (target - n) // 2
            pads = [0, 0] * (2 - axis) + [before, target - n - before] + [0, 0] * axis
            tensor = functional.pad(tensor, pads, value=-1)
    return tensor[None]


if __name__ == "__main__":
    path, slope, intercept, xy_mm, z_mm, out = sys.argv[1:7]
    tensor = preprocess(path, float(slope), float(intercept), float(xy_mm), float(z_mm))
    if out != "-":
        numpy.save(out, tensor.contiguous().numpy())
