"""Sampling parameters that a checkpoint recommends, as defaults of requests that do not name them."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from generated.models import ContainerChatCompletionBody

log = logging.getLogger(__name__)

RECOMMENDED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What is read of a checkpoint, in the order in which it is told."""
GENERATION_CONFIG = "generation_config.json"


def read_recommended(folder: Path) -> dict[str, Any]:
    """The sampling parameters in `folder`/generation_config.json, not checked; {} where there is no such file.

    Raises ValueError where the file is no JSON object.
    """
    file = folder / GENERATION_CONFIG
    if not file.is_file():
        return {}
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{file} must hold a JSON object, not {type(config).__name__}")  # noqa: TRY004
    return {name: config[name] for name in RECOMMENDED if config.get(name) is not None}


def check_recommended(values: Mapping[str, Any], source: str) -> dict[str, float]:
    """The same values, if a request might have them. Raises ValueError naming the first that it might not.

    source: where they come from, for the message.
    """
    for name, value in values.items():
        field = ContainerChatCompletionBody.model_fields[name]
        within: Any = Annotated[field.annotation, *field.metadata, Field(lt=2**31)]  # the engine has int32
        try:
            TypeAdapter(within).validate_python(value, strict=True)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]["msg"]
            raise ValueError(
                f"{source}: {name} is {value!r}: {fault}; mend it, or leave it to the API document's default with "
                "--generation-config none"
            ) from error
    return dict(values)


def sampling_defaults(choice: str, folder: Path) -> dict[str, float]:
    """The parameters of the checkpoint in `folder` that hold where a request names none; logs which hold.

    choice: "auto" for those that the checkpoint recommends, "none" for those of the API document alone. Raises
    ValueError where what is recommended cannot be taken.
    """
    found, source = read_recommended(folder), GENERATION_CONFIG
    taken = check_recommended(found, source) if choice == "auto" else {}
    listed = ", ".join(f"{name} {value}" for name, value in found.items())
    if taken:
        log.info("sampling defaults: %s, from %s; the others are the API document's", listed, source)
    elif found:
        hint = "%s recommends %s, which --generation-config auto takes"
        log.info(f"sampling defaults: the API document's; {hint}", source, listed)
    else:
        log.info("sampling defaults: the API document's%s", f"; {source} has none" if choice == "auto" else "")
    return taken
