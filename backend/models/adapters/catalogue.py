"""Where an adapter is: one that comes with the package, a folder, or a repository of the hub."""

from pathlib import Path

from backend import tiny
from backend.models import hub

BUNDLED = {"tiny-pirate": tiny.ADAPTER}
"""Adapters that have a name of their own, all of the model "tiny"."""


def resolve_adapter(place: str) -> Path:
    """The folder of a bundled adapter, a local one, or a hub repository's (downloaded if need be, then cached).

    Raises `CheckpointError` saying what to do.
    """
    return BUNDLED[place] if place in BUNDLED else hub.resolve(place)
