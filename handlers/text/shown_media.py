"""What stands for pictures, sound and film in a rendered chat, in place of what the template wrote for them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers.utils.chat_template_utils import mark_control_tokens

from handlers.text.template import PromptError

_MARKED = mark_control_tokens("x", re.compile("x"))
_OPENS = _MARKED[0]
"""The character before a control token that comes from the client."""


@dataclass(frozen=True)
class ShownMedium:
    """placeholder: id of the token that a template writes. written: what stands there, text and ids of tokens."""

    placeholder: int
    written: tuple[str | int, ...]


def show(text: str, media: Sequence[ShownMedium], tokenizer: Any) -> str:
    """A rendered chat in which the template's own placeholders are replaced, in order.

    Raises PromptError where there are not as many, or others.
    """
    if not media:
        return text
    spelled = [_spelled(medium.placeholder, tokenizer) for medium in media]
    placeholders = re.compile(f"(?<!{_OPENS})({'|'.join(map(re.escape, sorted(set(spelled), key=len, reverse=True)))})")
    if placeholders.findall(text) != spelled:
        message = "this model's chat template does not show the pictures, sounds and films of this chat one by one"
        raise PromptError(message, "messages")
    written = iter(media)
    return placeholders.sub(lambda _: _text(next(written), tokenizer), text)


def _text(medium: ShownMedium, tokenizer: Any) -> str:
    return "".join(part if isinstance(part, str) else _spelled(part, tokenizer) for part in medium.written)


def _spelled(token: int, tokenizer: Any) -> str:
    """The text that is this token wherever it stands."""
    added = tokenizer.added_tokens_decoder.get(token)
    if added is None:
        raise PromptError(f"this model's tokenizer has no control token {token}, which media need", "messages")
    return str(added.content)
