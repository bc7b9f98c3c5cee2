"""One sentence for a JSON Schema failure: which field, what it must be, what it is."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

Path = list[str | int]
ARTICLES = {"array": "an array", "integer": "an integer", "object": "an object", "null": "null"}
LONGEST_VALUE = 60


def explain(error: ValidationError) -> tuple[str | None, str]:
    """A JSON Schema failure as the dotted path of the field (None for the whole body) and a sentence about it."""
    path, must, got = _describe(error)
    dotted = ".".join(map(str, path)) or None
    return dotted, f"{dotted or 'the body'} {must}{got}"


def _describe(error: ValidationError) -> tuple[Path, str, str]:
    path = list(error.instance_path)
    match error.kind:
        case Kind.AnyOf(context=branches) | Kind.OneOfNotValid(context=branches):
            return _describe_branches(error, branches)
        case Kind.Required(property=name):
            return [*path, str(name)], "is required", ""
        case Kind.PropertyNames(error=inner):
            return path, f"has the key {_show(inner.instance)}, which {_requirement(inner)}", ""
        case _:
            return path, _requirement(error), f"; got {_show(error.instance)}"


def _describe_branches(error: ValidationError, branches: Sequence[Sequence[ValidationError]]) -> tuple[Path, str, str]:
    """Of the alternatives, the one that was meant: the right JSON type, then the right tag (a `const`)."""
    path = list(error.instance_path)
    typed = [branch for branch in branches if not _wanted_types(branch, path)]
    if not typed:
        types = [name for branch in branches for name in _wanted_types(branch, path)]
        return path, f"must be {_types(types)}", f"; got {_show(error.instance)}"
    fields = {name for branch in typed for name in _tag_fields(branch, path)}
    meant = [branch for branch in typed if not _wanted_tags(branch, path, fields)]
    if meant:
        return _describe(_shared(meant))
    tags = [wanted for branch in typed for wanted in _wanted_tags(branch, path, fields)]
    wrong = tags[0][0]
    return list(wrong.instance_path), _one_of(tag for _, tag in tags), f"; got {_show(wrong.instance)}"


def _shared(branches: Sequence[Sequence[ValidationError]]) -> ValidationError:
    """A failure that all these alternatives have, such as a missing tag; else the nearest one's, best a tag."""
    nearest = max(branches, key=_nearness)
    first = sorted(nearest, key=lambda error: not isinstance(error.kind, Kind.Constant))
    for error in first:
        if all(any(_same(error, other) for other in branch) for branch in branches):
            return error
    return first[0]


def _nearness(branch: Sequence[ValidationError]) -> tuple[int, list[int]]:
    """How near the value is to an alternative: few failures, and these late, as where a list is of its kind so far."""
    return -len(branch), [step for step in branch[0].instance_path if isinstance(step, int)]


def _same(a: ValidationError, b: ValidationError) -> bool:
    return (a.instance_path, a.message) == (b.instance_path, b.message)


def _wanted_types(branch: Sequence[ValidationError], path: Path) -> list[str]:
    """The JSON types that this alternative wants of the value at `path`, where it has another."""
    own = [error.kind for error in branch if list(error.instance_path) == path]
    return [name for kind in own if isinstance(kind, Kind.Type) for name in kind.types]


def _tag_fields(branch: Sequence[ValidationError], path: Path) -> list[str | int]:
    """The fields of the value at `path` in which this alternative wants constants, where they have others."""
    return [
        error.instance_path[-1]
        for error in branch
        if list(error.instance_path)[:-1] == path and isinstance(error.kind, Kind.Constant)
    ]


def _wanted_tags(
    branch: Sequence[ValidationError], path: Path, fields: Collection[str | int]
) -> list[tuple[ValidationError, Any]]:
    """The values that this alternative wants in `fields` of the value at `path`, where they have others."""
    found: list[tuple[ValidationError, Any]] = []
    for error in branch:
        if list(error.instance_path)[:-1] == path and error.instance_path[-1] in fields:
            match error.kind:
                case Kind.Constant(expected_value=value):
                    found.append((error, value))
                case Kind.Enum(options=options):
                    found += [(error, value) for value in options]
    return found


def _requirement(error: ValidationError) -> str:
    match error.kind:
        case Kind.Type(types=types):
            return f"must be {_types(types)}"
        case Kind.Enum(options=options):
            return _one_of(options)
        case Kind.Constant(expected_value=value):
            return _one_of([value])
        case Kind.Minimum(limit=limit):
            return f"must be at least {limit}"
        case Kind.Maximum(limit=limit):
            return f"must be at most {limit}"
        case Kind.ExclusiveMinimum(limit=limit):
            return f"must be greater than {limit}"
        case Kind.MinItems(limit=limit):
            return f"must have at least {limit} item(s)"
        case Kind.MaxItems(limit=limit):
            return f"must have at most {limit} items"
        case Kind.MinLength(limit=limit):
            return f"must have at least {limit} character(s)"
        case Kind.Not(schema={"const": value}):
            return f"must not be {_show(value)}"
        case Kind.Pattern(pattern=pattern):
            return f"must match {pattern}"
        case _:
            return f"fails the schema's `{error.kind.name}`"


def _types(types: Iterable[str]) -> str:
    names = [ARTICLES.get(name, f"a {name}") for name in dict.fromkeys(types)]
    names.sort(key="null".__eq__)  # null last
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _one_of(values: Iterable[Any]) -> str:
    shown = [_show(value) for value in dict.fromkeys(values)]
    return f"must be {shown[0]}" if len(shown) == 1 else f"must be one of {', '.join(shown)}"


def _show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
