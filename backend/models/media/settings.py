"""What a checkpoint's files say of its processors, read strictly: what would not be honoured is refused by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.models.errors import CheckpointError
from backend.models.tensors import read_json

FILES = {
    "image_processor": "preprocessor_config.json",
    "video_processor": "video_preprocessor_config.json",
    "feature_extractor": "preprocessor_config.json",
}
"""Where each processor's settings are, unless processor_config.json has them."""
TOGETHER = "processor_config.json"
BICUBIC = 3
MOST = 1 << 16


def read_processors(folder: Path) -> dict[str, dict[str, Any]]:
    """The settings of each processor by the names that transformers gives them; {} for one without."""
    together = _read(folder / TOGETHER)
    return {name: _dictionary(together.get(name)) or _read(folder / file) for name, file in FILES.items()}


def number(given: Mapping[str, Any], key: str, default: int) -> int:
    """A setting that is a number from 1 to MOST. Raises CheckpointError."""
    value = given.get(key) or default
    if type(value) is not int or not 1 <= value <= MOST:
        raise CheckpointError(f"{key} must be a number from 1 to {MOST:,}, not {value!r}")
    return value


def pixel_scale(given: Mapping[str, Any]) -> float:
    """What bytes are multiplied by to be colours.

    Raises CheckpointError where pictures are not resized by bicubic interpolation and scaled by one number.
    """
    scale = given.get("rescale_factor", 1 / 255)
    if type(scale) not in (int, float) or not 0 < scale <= 1:
        raise CheckpointError(f"rescale_factor must be a number above 0 and at most 1, not {scale!r}")
    usual = {"do_resize": True, "do_rescale": True, "resample": BICUBIC}
    normal = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3} if given.get("do_normalize") else {}
    for key, value in (usual | normal).items():
        if given.get(key, value) != value:
            raise CheckpointError(f"{key} {given[key]!r} of the processor is not supported, only {value!r}")
    return scale


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
