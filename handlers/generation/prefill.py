"""An answer whose beginning the prompt has already, because the request gave it."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from handlers.loaded import ChatTokenizer


@dataclass(frozen=True)
class Prefill:
    """The beginning of an answer at the end of its prompt.

    tokens: ids that spell it. start: the prompt before it. param: what the endpoint calls it; errors name it.
    """

    tokens: tuple[int, ...]
    start: tuple[int, ...]
    param: str

    def text(self, tokenizer: ChatTokenizer, markers: Sequence[str]) -> str:
        """It as the model would have written it, special tokens of `markers` included."""
        detokenizer = tokenizer.detokenizer(self.start, (), markers)
        return "".join(map(detokenizer.feed, self.tokens)) + detokenizer.finish()

    def with_markers(self, tokenizer: ChatTokenizer, markers: Sequence[str]) -> "Prefill":
        """The same with `markers` in the tokens by which the model writes them: a message has them as plain text."""
        text = self.text(tokenizer, markers)
        if not any(marker in text for marker in markers):
            return self
        try:
            return replace(self, tokens=tokenizer.marker_tokens(text))
        except ValueError:  # a tokenizer that cannot write this text by itself
            return self


def find_prefill(
    prompt: Sequence[int], fresh: Sequence[int], text: str, tokenizer: ChatTokenizer, param: str
) -> Prefill:
    """What of a prompt is the beginning of the answer.

    prompt: ends with the beginning. fresh: the prompt of the same chat without the message that is continued, where an
    answer begins. What the first has more is what the model would have written, markers of reasoning and channels
    included. Where the template frames the two in other ways, it is the `text` of the message.
    """
    if fresh and list(prompt[: len(fresh)]) == list(fresh):
        start = len(fresh)
        while start < len(prompt) and tokenizer.decode_tail(prompt[: start + 1], 1).isspace():
            start += 1  # between the head of the answer and its text, which is not of the answer
        return Prefill(tuple(prompt[start:]), tuple(prompt[:start]), param)
    whole = tokenizer.decode_tail(prompt, len(prompt))
    text = text if whole.endswith(text) else text.strip()  # as some templates have it
    count = bisect_left(range(len(prompt)), len(text), key=lambda n: len(tokenizer.decode_tail(prompt, n)) if n else 0)
    tokens = tuple(prompt[len(prompt) - count :])
    if text and tokenizer.decode_tail(prompt, count) != text:
        tokens = tokenizer.marker_tokens(text)  # its first token has the end of what stands before it
    return Prefill(tokens, tuple(prompt[: len(prompt) - count]), param)
