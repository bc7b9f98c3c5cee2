"""A model's tokenizer without chats: texts to token ids, and token ids to text."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from handlers.text.checkpoint import CheckpointTokenizer, read_folder
from handlers.text.detokenizer import TokenBytes
from handlers.text.gguf.tokenizer import read_gguf

PIECE_CHARACTERS = 1 << 14
CUT_TOKENS = 64
"""More tokens than cutting a text in two can make of a word or a run of spaces."""


@contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """Values of other kinds than transformers and tokenizers expect, which they do not check, raise ValueError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        message = f"{checkpoint} has a tokenizer that cannot be used: {type(error).__name__}: {error}"
        raise ValueError(message) from error


class TextTokenizer:
    """One model's tokenizer.

    checkpoint: a folder with the tokenizer's files as transformers writes them, or a GGUF file; nothing is downloaded,
    no code in it is run.

    end_tokens: ids that end an answer, from all that names such, without repeats. vocab_size: number of ids that the
    tokenizer knows; the model may have more. longest_token: bytes of the longest.
    Raises ValueError when the checkpoint has no tokenizer that this server can use.
    """

    def __init__(self, checkpoint: Path) -> None:
        with reading(checkpoint):
            self._open(checkpoint)

    def encode_text(self, text: str, *, begins: bool = True) -> list[int]:
        """The ids of a text. Control tokens of the model that stand in it are these tokens.

        begins: it is a whole text, before and behind which goes what the tokenizer adds to such.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=begins)
        return ids

    def exceeds(self, texts: Iterable[str], tokens: int) -> bool:
        """Whether texts are certainly more tokens than that; they are read no further than it takes to know."""
        for text in texts:
            for at in range(0, len(text), PIECE_CHARACTERS):
                piece = self._tokenizer.encode(text[at : at + PIECE_CHARACTERS], add_special_tokens=False)
                tokens -= max(0, len(piece) - CUT_TOKENS)
                if tokens < 0:
                    return True
        return False

    def decode_tail(self, prompt: Sequence[int], tokens: int = 64) -> str:
        """Text of the last `tokens` token ids of `prompt`, special ones included."""
        ids = list(prompt[-tokens:])
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def token_bytes(self, token: int) -> bytes | None:
        """The bytes a token adds to the text, not always whole characters; None if it adds none (special, unknown)."""
        return self._bytes[token] or None

    def token_text(self, token: int) -> str:
        """A token as text to show: incomplete characters as U+FFFD, special tokens by their name, "" if unknown."""
        if self._bytes.is_special(token):
            return str(self._tokenizer.convert_ids_to_tokens(token))
        return self._bytes[token].decode(errors=self._bytes.errors)

    def _open(self, checkpoint: Path) -> CheckpointTokenizer:
        found = read_gguf(checkpoint) if checkpoint.is_file() else read_folder(checkpoint)
        self._tokenizer, self.end_tokens = found.tokenizer, found.end_tokens
        self._bytes = TokenBytes(self._tokenizer)
        self.vocab_size = len(self._tokenizer)
        self.longest_token = max(len(self._bytes[token] or b"") for token in range(self.vocab_size))
        return found
