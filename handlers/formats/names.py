"""Names of functions in forms of calls that have no room for all characters that a name may have."""

import re
from collections.abc import Iterable

from handlers.formats.syntax import Format

_OTHER = re.compile(r"[^a-zA-Z0-9_-]")


class FunctionNames:
    """What a model is shown in place of functions' names, and what these are.

    names: of all functions that the model is shown; two never get the same name. told: of each that the model writes
    otherwise, the name that it stands for.
    """

    def __init__(self, format: Format, names: Iterable[str]) -> None:
        restricted = bool(format.tools) and format.tools[0].identifiers
        names = list(dict.fromkeys(names)) if restricted else []
        taken = {name for name in names if not _OTHER.search(name)}
        self.told: dict[str, str] = {}
        self._written: dict[str, str] = {}
        for name in names:
            if name not in taken:
                written = _free(_OTHER.sub("_", name), taken)
                taken.add(written)
                self.told[written], self._written[name] = name, written

    def written(self, name: str) -> str:
        """The name by which the model knows a function."""
        return self._written.get(name, name)


def _free(name: str, taken: set[str]) -> str:
    """The name, or else with the first number behind it that makes it another."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
