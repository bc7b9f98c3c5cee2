"""The settings of a model -> the model, ready to answer."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handlers.chat.defaults import sampling_defaults
from handlers.loaded import LoadedModel, Model, PoolingModel
from handlers.settings import ModelSettings, ServeSettings
from handlers.text.chat_templates import read_chat_template

if TYPE_CHECKING:
    from backend import Follower, Leader, LoadOptions, PoolingConfig
    from handlers.text.text_tokenizer import TextTokenizer
    from handlers.text.tokenizer import ChatTokenizer

logger = logging.getLogger(__name__)


def load(settings: ModelSettings, leader: "Leader | None" = None) -> Model:
    """The engine and the tokenizer that the settings ask for. Raises CheckpointError, ValueError.

    leader: of the other hosts, None for none.
    """
    logger.info("loading %s", settings.model)
    # Importing these takes seconds, during which the port already answers.
    from backend import load_engine, pooling_of, resolve_checkpoint
    from backend.grammar import Compiler, alphabet_of

    options = load_options(settings)
    path = resolve_checkpoint(options)
    pooling = pooling_of(path)
    if pooling is not None:
        reader = read_text_tokenizer(path, pooling)
        return PoolingModel(load_engine(options, path, (), leader), reader, pooling)
    tokenizer, defaults = read_tokenizer(settings, path)
    tokens = tokenizer.vocabulary()
    compiler = Compiler(
        settings.grammar_cache.expanduser(),
        alphabet_of(tokens),
        whitespace=settings.json_whitespace,
        bounded_numbers=settings.json_numbers == "bounded",
    )
    try:
        engine = load_engine(options, path, tokens, leader)
        compiler.warm()
    except BaseException:
        compiler.close()
        raise
    return LoadedModel(
        engine, tokenizer, compiler, tokenizer.format, settings.parse_reasoning, defaults, encoder=engine.media
    )


def follow(settings: ModelSettings, follower: "Follower") -> None:
    """Does what the first process of an engine over several hosts does, until that lets go."""
    from backend import follow_engine, pooling_of, resolve_checkpoint

    options = load_options(settings)
    path = resolve_checkpoint(options)
    tokens = () if pooling_of(path) else read_tokenizer(settings, path)[0].vocabulary()
    follow_engine(options, path, tokens, follower)


def load_options(settings: ModelSettings) -> "LoadOptions":
    """What the settings say of the engine."""
    from backend import LoadOptions

    return LoadOptions(
        model=settings.model,
        revision=settings.revision,
        rows=settings.max_batch_size,
        context=settings.max_context_length,
        dtype=None if settings.dtype == "auto" else settings.dtype,
        quantization=settings.quantization,
        max_queue=settings.max_queue,
        model_cache=settings.model_cache,
        compilation_cache=settings.compilation_cache.expanduser(),
        memory_fraction=settings.memory_fraction,
        cuda_graphs=settings.cuda_graphs,
        kv_cache_tokens=settings.kv_cache_tokens,
        kv_cache_dtype=settings.kv_cache_dtype,
        media_cache_bytes=settings.media_cache_bytes,
        deterministic=settings.deterministic,
        mesh=settings.mesh,
        stall_seconds=settings.stall_timeout,
        **(adapter_options(settings) if isinstance(settings, ServeSettings) else {}),
    )


def adapter_options(settings: ServeSettings) -> dict[str, Any]:
    """What the settings say of adapters."""
    return {
        "adapters": settings.adapters,
        "max_adapters": settings.adapter_slots,
        "max_adapter_rank": settings.max_adapter_rank,
        "adapter_memory": int(settings.adapter_memory),
    }


def read_text_tokenizer(path: Path, pooling: "PoolingConfig") -> "TextTokenizer":
    """The tokenizer of a checkpoint that draws no tokens; what it is for is logged. Raises ValueError."""
    from handlers.text.text_tokenizer import TextTokenizer

    logger.info("task: %s", describe_task(pooling))
    return TextTokenizer(path)


def describe_task(pooling: "PoolingConfig") -> str:
    """What a checkpoint that draws no tokens is for, for people."""
    if pooling.labels:
        return f"classify, {len(pooling.labels)} classes, served at /classify"
    length = "of length 1" if pooling.normalize else "of any length"
    return f"embed, {pooling.size} numbers {length} by {pooling.mode} pooling, served at /v1/embeddings"


def read_tokenizer(settings: ModelSettings, path: Path) -> tuple["ChatTokenizer", dict[str, float]]:
    """The tokenizer of the checkpoint at `path` with the template and formats asked for, and the defaults of sampling.

    Raises CheckpointError, ValueError.
    """
    from handlers.text.tokenizer import ChatTokenizer

    template = None if settings.chat_template is None else read_chat_template(settings.chat_template)
    tokenizer = ChatTokenizer(path, template, settings.tool_format, settings.reasoning_format)
    format = tokenizer.format
    logger.info("chat template: %s", settings.chat_template or "the checkpoint's own")
    if tokenizer.tools_as_text:
        logger.info("tools: the template has no place for %s, so they are text", ", ".join(tokenizer.tools_as_text))
    logger.info("answers: tool calls as %s, reasoning as %s", format.tool_name, format.reasoning_name)
    return tokenizer, sampling_defaults(settings.generation_config, path, settings.model)
