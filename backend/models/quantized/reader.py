"""The tensors of a quantised checkpoint, several of which are one weight, by the names of the weights."""

import logging
from collections.abc import Mapping
from typing import Any

from backend.models.errors import CheckpointError
from backend.models.quantized.methods import ACTIVATIONS, CACHE, KEY, Layout, layouts

log = logging.getLogger(__name__)


def quantized_tensors(tensors: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a checkpoint with this `quantization_config`; what is not quantised stays as it is.

    Whether a weight is quantised its tensors say, so that lists of modules to leave out are not needed. Raises one
    `CheckpointError` for a setting that is not served, or for all tensors that are missing.
    """
    left = dict(tensors)
    faults: list[str] = []
    for kind in layouts(config):
        for name in [name for name in left if name.endswith(kind.main)]:
            if left[name].get_dtype() in kind.types:
                faults += _take(left, name, kind)
    if faults:
        listed = "\n  ".join(faults)
        raise CheckpointError(f"{KEY} asks for tensors that are missing:\n  {listed}")
    _drop(left, ACTIVATIONS, "scales of activations (%s ...) are not used: they are scaled token by token")
    _drop(left, CACHE, "scales of the cache (%s ...) are not used: it holds keys and values as --kv-cache-dtype says")
    reordered = [name for name, tensor in left.items() if getattr(tensor, "order", None) is not None]
    if reordered:
        log.info("%d weights become floats, since columns of a group are not neighbours (desc_act)", len(reordered))
    return left


def _take(left: dict[str, Any], name: str, kind: Layout) -> list[str]:
    """Put one weight in the place of its parts; gives what is missing of it, in words."""
    stem, joint = name.removesuffix(kind.main), kind.main[0]
    wanted = (kind.main[1:], *kind.scale, *kind.needed, *kind.optional)
    found = {part: full for part in wanted if (full := f"{stem}{joint}{part}") in left}
    missing = [part for part in kind.needed if part not in found]
    if not any(part in found for part in kind.scale):
        missing.append(" or ".join(kind.scale))
    if missing:
        return [f"{stem}{joint}{part}, for {name}" for part in missing]
    left[stem + kind.weight] = kind.build(stem, {part: left.pop(full) for part, full in found.items()})
    return []


def _drop(left: dict[str, Any], suffixes: tuple[str, ...], message: str) -> None:
    found = [name for name in left if name.endswith(suffixes)]
    for name in found:
        del left[name]
    if found:
        log.info(message, found[0])
