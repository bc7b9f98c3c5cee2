"""What a chat template knows of the variables that a request may set, read from its source and its renderings."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from jinja2 import nodes

from handlers.text.jinja import parse
from handlers.text.rendering import renderers
from handlers.text.template import Render, TemplateTraits, render_sentinels

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Levels of reasoning effort, the least first."""
EFFORT, SWITCHES = "reasoning_effort", ("enable_thinking", "thinking")
"""The variables by which templates set the effort, or turn reasoning on and off."""
PRINTED = ("low", "medium", "high")
"""Levels that every template which has levels is taken to know: one that prints what it is given names none."""
_SENTINEL = "kookaburra"
_SWITCHED = {"true": True, "false": False}


class TemplateVariables:
    """The variables of one chat template.

    sources: its text, or the texts of all templates where there are several. render, traits: of it. names: of those
    that it reads.
    Everything may raise RenderingExceeded.
    """

    def __init__(self, sources: Sequence[str], render: Render, traits: TemplateTraits) -> None:
        self._trees = [parse(source) for source in sources]
        self._render, self._traits = render, traits
        self._shown = lru_cache(maxsize=256)(self._rendered)
        self.names = renderers().names(sources)

    def typed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values, "true" and "false" as what they say where the variable turns something on and off.

        As text either would be true in a template.
        """
        return {name: self._typed(name, value) for name, value in values.items()}

    def effort(self, level: str) -> dict[str, Any]:
        """The variables that set a level of EFFORTS, or the nearest that the template knows; {} if it knows none."""
        switch = next((name for name in SWITCHES if name in self.names and self._switches(name)), None)
        known = self._levels
        if level == "none" and switch is not None:
            return {switch: False, **({EFFORT: level} if level in known else {})}
        if known:
            nearest = known[_nearest(level, known)]
            return {} if nearest is None else {EFFORT: nearest}
        return {} if switch is None else {switch: True}

    @cached_property
    def _levels(self) -> dict[str, str | None]:
        """The levels that the template knows, each with its value; None for those that change nothing in it."""
        if EFFORT not in self.names:
            return {}
        constants = [node.value for tree in self._trees for node in tree.find_all(nodes.Const)]
        lists = [value if isinstance(value, list | tuple) else [value] for value in constants]
        named = {*PRINTED, *(value for values in lists for value in values if isinstance(value, str))}
        usual, other = self._shown(None, None), self._shown(EFFORT, _SENTINEL)
        if any(_SENTINEL in (text or "") for text in other):
            return {level: level for level in PRINTED}
        shown = {level: self._shown(EFFORT, level) for level in EFFORTS if level in named}
        levels: dict[str, str | None] = {}
        for level, texts in shown.items():
            if None not in texts and (texts != other or level in PRINTED):
                levels[level] = None if texts == usual == other else level
        return levels if any(shown[level] != usual for level in levels) else {}

    def _typed(self, name: str, value: Any) -> Any:
        said = _SWITCHED.get(value.strip().lower()) if isinstance(value, str) else None
        return said if said is not None and name in self.names and self._switches(name) else value

    def _switches(self, name: str) -> bool:
        return self._shown(name, True) != self._shown(name, False)

    def _rendered(self, name: str | None, value: Any) -> tuple[str | None, ...]:
        """The sentinel chats with one variable set, None for those that the template refuses."""
        return render_sentinels(self._render, self._traits, **({} if name is None else {name: value}))


def _nearest(level: str, known: Iterable[str]) -> str:
    """Of two that are as near, the one further from medium; "none" for itself, or where there is nothing else."""
    at, medium = EFFORTS.index(level), EFFORTS.index("medium")

    def distance(other: str) -> tuple[bool, int, int]:
        place = EFFORTS.index(other)
        return other == "none" != level, abs(place - at), -abs(place - medium)

    return min(known, key=distance)
