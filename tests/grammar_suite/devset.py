"""The development schemas: real ones, with instances that conform to them and instances that do not."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parents[3] / "shared" / "data" / "schemas-dev.jsonl"
ABSENT = "schemas-dev.jsonl is not here: put its path into JAXCHAT_SCHEMAS to run what needs it"


ABBREVIATED = "/.../"
"""What some instances have in place of base64, which is enforced where the schema says `format: byte`."""


@dataclass(frozen=True)
class Case:
    """conforming, violating: instances. properties keep the order that they have in the file."""

    name: str
    schema: Any
    conforming: tuple[Any, ...]
    violating: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The schema as JSON."""
        return json.dumps(self.schema)


def place() -> Path:
    """Where the file is or would be."""
    return Path(os.environ.get("JAXCHAT_SCHEMAS", PLACE))


@cache
def cases() -> tuple[Case, ...]:
    """All of them; none where the file is absent."""
    if not place().is_file():
        return ()
    return tuple(_case(json.loads(line)) for line in place().read_text(encoding="utf-8").splitlines())


def _case(record: dict[str, Any]) -> Case:
    good, bad = ([test["data"] for test in record["tests"] if test["valid"] is valid] for valid in (True, False))
    good = [instance for instance in good if ABBREVIATED not in json.dumps(instance)]
    return Case(record["name"], record["schema"], tuple(good), tuple(bad))
