"""Sampling parameters that a checkpoint recommends, as defaults of requests that do not name them."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from backend import read_gguf_metadata, recommended_sampling
from generated.strict.models import ContainerChatCompletionBody

log = logging.getLogger(__name__)

GENERATION_CONFIG = "generation_config.json"
CONFIG_KEYS = {name: name for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
"""Parameter -> its key in generation_config.json; in the order in which they are told."""
GGUF_KEYS = {
    "temperature": "general.sampling.temp",
    "top_p": "general.sampling.top_p",
    "top_k": "general.sampling.top_k",
    "min_p": "general.sampling.min_p",
    "repetition_penalty": "general.sampling.penalty_repeat",
    "xtc_threshold": "general.sampling.xtc_threshold",
    "xtc_probability": "general.sampling.xtc_probability",
}
"""Parameter -> its key in a GGUF file, as llama.cpp has them."""


@dataclass(frozen=True)
class Recommended:
    """What a checkpoint says of sampling, not checked. source: the file. keys: parameter -> what the file calls it."""

    source: str
    keys: Mapping[str, str]
    values: Mapping[str, Any]

    def checked(self) -> dict[str, float]:
        """The values, if a request might have them. Raises ValueError naming the key of the first that it might not."""
        for name, value in self.values.items():
            field = ContainerChatCompletionBody.model_fields[name]
            within: Any = Annotated[field.annotation, *field.metadata, Field(lt=2**31)]  # the engine has int32
            try:
                TypeAdapter(within).validate_python(value, strict=True)
            except ValidationError as error:
                fault = error.errors(include_url=False)[0]["msg"]
                raise ValueError(
                    f"{self.source}: {self.keys[name]} is {value!r}: {fault}; mend it, or leave it to the API "
                    "document's default with --generation-config none"
                ) from error
        return dict(self.values)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.6g}" if _is_number(value) else name for name, value in self.values.items())


def sampling_defaults(choice: str, path: Path, model: str) -> dict[str, float]:
    """The parameters of the checkpoint at `path` that hold where a request names none; logs which hold.

    choice: "auto" for those that the checkpoint recommends, "none" for those of the API document alone. model: its
    name, by which more is known of a bundled one. Raises ValueError where what is recommended cannot be taken.
    """
    found = read_recommended(path, model)
    taken = found.checked() if choice == "auto" else {}
    if taken:
        log.info("sampling defaults: %s, from %s; the others are the API document's", found, found.source)
    elif found.values:
        hint = "%s recommends %s, which --generation-config auto takes"
        log.info(f"sampling defaults: the API document's; {hint}", found.source, found)
    else:
        log.info("sampling defaults: the API document's%s", f"; {found.source} has none" if choice == "auto" else "")
    return taken


def read_recommended(path: Path, model: str) -> Recommended:
    """What the checkpoint in a folder or GGUF file recommends, or else the makers of a bundled model.

    Raises ValueError where its file cannot be read.
    """
    if path.is_file():
        found = _recommended(path.name, GGUF_KEYS, read_gguf_metadata(path))
    else:
        found = _recommended(GENERATION_CONFIG, CONFIG_KEYS, _read_config(path / GENERATION_CONFIG))
    known = recommended_sampling(model)
    return (
        found
        if found.values or not known
        else _recommended(f"{model}'s model card", {name: name for name in known}, known)
    )


def _recommended(source: str, keys: Mapping[str, str], values: Mapping[str, Any]) -> Recommended:
    found = {name: values[key] for name, key in keys.items() if values.get(key) is not None}
    return Recommended(source, keys, found)


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{file} must hold a JSON object, not {type(config).__name__}")  # noqa: TRY004
    return config


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
