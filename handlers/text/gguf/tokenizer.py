"""A GGUF file -> its tokenizer, chat templates and end tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import TokenizersBackend

from backend import read_gguf_metadata
from handlers.text.checkpoint import CheckpointTokenizer
from handlers.text.gguf.byte_level import byte_level
from handlers.text.gguf.metadata import MODEL, PREFIX, TokenizerMetadata, TokenType
from handlers.text.gguf.sentencepiece import gemma4, sentencepiece_bpe

HUGGINGFACE_JSON = "tokenizer.huggingface.json"
CHAT_TEMPLATE, CHAT_TEMPLATES = "tokenizer.chat_template", "tokenizer.chat_templates"
MODELS: dict[str, Callable[[TokenizerMetadata], Tokenizer]] = {
    "gpt2": byte_level,
    "llama": sentencepiece_bpe,
    "gemma4": gemma4,
}
"""By `tokenizer.ggml.model`."""
PARTS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""What transformers calls a token that has a part to play -> what GGUF calls it."""
DEFAULT_PARTS = {"llama": {"bos_token": 1, "eos_token": 2, "unk_token": 0}}
"""The ids where a file names none, as llama.cpp has them."""
ENDS = ("eos", "eot", "eom")
END_TEXTS = frozenset(
    (
        *("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|return|>"),
        *("<|call|>", "<end_of_turn>", "<turn|>", "<|endofturn|>", "[EOT]", "<EOT>", "<end_of_utterance>"),
        "<｜end▁of▁sentence｜>",
    )
)
"""Control tokens that end an answer in the families which have them: most files name one of them only."""
NO_END = ("<|end|>", "<|return|>")
"""Where the second is there too, the first ends a message inside of an answer (harmony)."""


def read_gguf(path: Path) -> CheckpointTokenizer:
    """The tokenizer that a GGUF file's metadata describes, with its chat templates.

    Raises backend's CheckpointError where the file cannot be read, and ValueError naming the key where what it says of
    its tokenizer is incomplete or not supported.
    """
    metadata = TokenizerMetadata(path, read_gguf_metadata(path))
    parts = {name: metadata.tokens[id] for name, id in _parts(metadata).items()}
    tokenizer = _MadeTokenizer(
        _with_added_tokens(_build(metadata), metadata),
        **parts,
        chat_template=_chat_template(metadata),
        add_bos_token=metadata.flag(f"{PREFIX}add_bos_token", False),
        add_eos_token=metadata.flag(f"{PREFIX}add_eos_token", False),
    )
    return CheckpointTokenizer(tokenizer, _end_tokens(metadata))


class _MadeTokenizer(TokenizersBackend):
    """Takes the tokenizer that it is given, where its base class would copy it by way of JSON."""

    def __init__(self, backend: Tokenizer, **options: Any) -> None:
        self._tokenizer = backend
        super().__init__(**options)


def _with_added_tokens(backend: Tokenizer, metadata: TokenizerMetadata) -> Tokenizer:
    """Control tokens are special, user-defined ones are not; both are found in a text before all else."""
    backend.add_special_tokens(
        [
            AddedToken(metadata.tokens[id], normalized=False, rstrip=_strips(metadata, id))
            for id in metadata.ids_of(TokenType.CONTROL, TokenType.UNKNOWN)
        ]
    )
    backend.add_tokens(
        [AddedToken(metadata.tokens[id], normalized=False) for id in metadata.ids_of(TokenType.USER_DEFINED)]
    )
    return backend


def _build(metadata: TokenizerMetadata) -> Tokenizer:
    """From the checkpoint's own tokenizer.json, where the file has it, or from its parts."""
    if metadata.has(HUGGINGFACE_JSON):
        try:
            return Tokenizer.from_str(metadata.text(HUGGINGFACE_JSON))
        except Exception as error:
            raise metadata.fault(HUGGINGFACE_JSON, f"is no tokenizer.json: {error}") from error
    model = metadata.text(MODEL)
    if model not in MODELS:
        raise metadata.fault(
            MODEL, f"is {model!r}; supported are {', '.join(MODELS)}", "serve the checkpoint's own folder instead"
        )
    return MODELS[model](metadata)


def _strips(metadata: TokenizerMetadata, id: int) -> bool:
    """Whether white space behind a control token belongs to it: no key says so, and Phi-3's do except for these."""
    spaced = metadata.text("general.architecture", "") == "phi3" and metadata.text(MODEL) == "llama"
    return spaced and metadata.tokens[id] not in ("<unk>", "<s>", "<|endoftext|>")


def _parts(metadata: TokenizerMetadata) -> dict[str, int]:
    """The ids of the tokens that have a part to play, by transformers' names."""
    given = {name: id for name, part in PARTS.items() if (id := metadata.token_id(part)) is not None}
    defaults = DEFAULT_PARTS.get(metadata.text(MODEL), {})
    return {name: id for name, id in defaults.items() if id < len(metadata.tokens)} | given


def _end_tokens(metadata: TokenizerMetadata) -> tuple[int, ...]:
    """The ids that the file names, and control tokens that are known to end an answer."""
    named = [metadata.token_id(part) for part in ENDS] + [_parts(metadata).get("eos_token")]
    control = {metadata.tokens[id]: id for id in metadata.ids_of(TokenType.CONTROL)}
    inner = NO_END[0] if NO_END[1] in control else None
    known = [id for text, id in control.items() if text in END_TEXTS and text != inner]
    return tuple(dict.fromkeys(id for id in [*named, *known] if id is not None))


def _chat_template(metadata: TokenizerMetadata) -> str | dict[str, str] | None:
    """The one template, or several by their names; "default" is the one without."""
    names = metadata.strings(CHAT_TEMPLATES) if metadata.has(CHAT_TEMPLATES) else []
    templates = {name: metadata.text(f"{CHAT_TEMPLATE}.{name}") for name in names}
    if metadata.has(CHAT_TEMPLATE):
        templates = {"default": metadata.text(CHAT_TEMPLATE), **templates}
    if set(templates) == {"default"}:
        return templates["default"]
    return templates or None
