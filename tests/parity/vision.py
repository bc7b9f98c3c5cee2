"""transformers' own arithmetic of pictures, of modules that need torchvision, which the suite does without.

What they have torchvision do is to resize bytes, which that leaves to torch, and to scale them.
"""

import importlib
import sys
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch

RESCALE = 1 / 255


def processing(family: str, kind: str) -> Any:
    """The module of transformers with a family's processor of kind "image" or "video", for its functions."""
    names = [
        "torchvision",
        "torchvision.transforms",
        "torchvision.transforms.v2",
        "torchvision.transforms.v2.functional",
    ]
    modules = {name: ModuleType(name) for name in names}
    modules[names[2]].functional = modules[names[3]]  # type: ignore[attr-defined]
    modules[names[3]].InterpolationMode = object  # type: ignore[attr-defined]
    with patch.dict(sys.modules, modules):
        return importlib.import_module(f"transformers.models.{family}.{kind}_processing_{family}")


def resized(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """As torchvision resizes bytes [n, 3, H, W] on a processor: bicubic, with antialiasing."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    return torch.nn.functional.interpolate(pixels, size=[height, width], mode="bicubic", antialias=True)


def rescaled(pixels: torch.Tensor, normalized: bool) -> torch.Tensor:
    """As transformers scales bytes, by a factor or with mean 0 and deviation 1."""
    if not normalized:
        return pixels * RESCALE
    return (pixels.float() - 0.0) / torch.tensor(1 * (1 / RESCALE))
