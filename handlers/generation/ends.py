"""End tokens that a request names beside a grammar: they end the output, so they cannot also write a part of it."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from backend.grammar import ControlToken, JsonSchema, Term
from handlers.generation.output import OutputPlan
from handlers.http.errors import invalid


def characters_lost(output: OutputPlan) -> str:
    """The characters that no token is left to write: those that are an end token by themselves.

    Longer tokens are no loss, as what they write is written by others. Raises APIError 422 for a part of a character.
    """
    lost = ""
    for i, written in enumerate(output.end_tokens.values()):
        text = written.decode(errors="replace")
        if len(written) == 1 and written >= b"\x80":
            message = (
                f"{output.end_param}.{i} is a part of characters, which an answer in this form needs; leave it out"
            )
            raise invalid(message, f"{output.end_param}.{i}")
        lost += text if len(text) == 1 and text != "\ufffd" else ""
    return lost


def check_control_tokens(term: Term, output: OutputPlan) -> None:
    """Raises APIError 422 where an end token is a control token of the form that answers must have."""
    needed = set(_control_tokens(term))
    for i, token in enumerate(output.end_tokens):
        if token in needed:
            message = (
                f"{output.end_param}.{i} is token {token}, which marks a part of an answer in this form, and so cannot "
                "end it; leave it out"
            )
            raise invalid(message, f"{output.end_param}.{i}")


def _control_tokens(part: Any) -> Iterator[int]:
    if isinstance(part, ControlToken):
        yield part.token
    elif isinstance(part, tuple):
        for each in part:
            yield from _control_tokens(each)
    elif isinstance(part, JsonSchema):
        yield from _control_tokens(part.dialect)
    elif is_dataclass(part):
        for each in fields(part):
            yield from _control_tokens(getattr(part, each.name))
