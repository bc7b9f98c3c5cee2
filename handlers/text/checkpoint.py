"""A checkpoint's tokenizer as its own files have it, and the tokens that end an answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from transformers import AutoTokenizer, TokenizersBackend

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class CheckpointTokenizer:
    """What a checkpoint says of its tokens.

    tokenizer: a transformers tokenizer, with its chat template or templates if the checkpoint has any. end_tokens: ids
    that end an answer, without repeats. response_template: how the checkpoint itself describes answers, in
    transformers' terms.
    """

    tokenizer: Any
    end_tokens: tuple[int, ...]
    response_template: dict[str, Any] | None = None


def read_folder(folder: Path) -> CheckpointTokenizer:
    """The tokenizer of a folder as transformers writes it; nothing is downloaded, no code in it is run.

    Raises ValueError when it has none that can be read.
    """
    try:
        tokenizer = load_tokenizer(folder)
        end_tokens = _end_tokens(folder, tokenizer)
        described = _read_json(folder / "tokenizer_config.json").get("response_template")
    except Exception as error:  # the files are foreign: whatever the libraries raise is about them
        raise ValueError(
            f"{folder} has no tokenizer that can be read; it needs tokenizer.json or a SentencePiece tokenizer.model, "
            f"with tokenizer_config.json: {error}"
        ) from error
    return CheckpointTokenizer(tokenizer, end_tokens, described if isinstance(described, dict) else None)


def load_tokenizer(folder: Path) -> Any:
    """What tokenizer.json says, to the letter; where there is none, what transformers makes of the other files."""
    if (folder / TOKENIZER_FILE).is_file():
        return _FileTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    return AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, mistral_format=False
    )


class _FileTokenizer(TokenizersBackend):
    """A tokenizer.json as it is, whatever class the configuration names: most classes make normalizer and
    pre-tokenizer anew, and then split text in other places than the file does.

    Of the configuration's tokens, those that the file lacks are added, and others may become special.
    """

    def _add_tokens(self, new_tokens: Sequence[str | AddedToken], special_tokens: bool = False) -> int:
        known = {token.content: token for token in self.added_tokens_decoder.values()}
        tokens = []
        for token in new_tokens:
            special = special_tokens or (isinstance(token, AddedToken) and token.special)
            own = known.get(str(token), token)
            if isinstance(own, AddedToken):
                own.special = own.special or special
            tokens.append(own)
        return super()._add_tokens(tokens, special_tokens)


def _end_tokens(folder: Path, tokenizer: Any) -> tuple[int, ...]:
    """From generation_config.json, config.json and the tokenizer, in this order."""
    generation, config = (_read_json(folder / name) for name in ("generation_config.json", "config.json"))
    texts = config.get("text_config") or {}
    found = [source.get("eos_token_id") for source in (generation, config, texts)] + [tokenizer.eos_token_id]
    flat = [id for ids in found for id in (ids if isinstance(ids, list) else [ids])]
    return tuple(dict.fromkeys(id for id in flat if id is not None and id >= 0))


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
