"""Prompts of an exact number of tokens, different from their first token on, so that no side finds one in its cache."""

import random
import string
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from handlers.text.gguf.tokenizer import read_gguf


class Prompts:
    """Draws messages for one model, a folder or a GGUF file.

    Words stand on lines of their own, which the cutting rules of all models here cut alike.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        found = read_gguf(folder).tokenizer if folder.is_file() else AutoTokenizer.from_pretrained(folder)
        self._tokenizer: PreTrainedTokenizerBase = found
        self._random = random.Random(seed)

    def chat(self, tokens: int, shared: str = "") -> list[dict[str, str]]:
        """One user message, `shared` and then new words, that makes a whole prompt of `tokens` tokens."""
        lines = [shared] if shared else []
        while self._length([*lines, word := self._word()]) <= tokens:
            lines.append(word)
        while lines and self._length(lines) < tokens:
            lines[-1] += self._random.choice(string.digits)
        if self._length(lines) != tokens:
            raise ValueError(f"{tokens} tokens are too few for a prompt: one word makes one of {self._length(['a'])}")
        return _message(lines)

    def text(self, tokens: int) -> str:
        """Text that takes about that many tokens."""
        lines: list[str] = []
        while self._length(lines) < tokens:
            lines.append(self._word())
        return "\n".join(lines)

    def ids(self, messages: list[dict[str, str]]) -> list[int]:
        """The token ids of the whole prompt, template included."""
        return list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])

    def _length(self, lines: list[str]) -> int:
        return len(self.ids(_message(lines)))

    def _word(self) -> str:
        return "".join(self._random.choices(string.ascii_lowercase, k=4))


def _message(lines: list[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": "\n".join(lines)}]
