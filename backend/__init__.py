"""The engine: prompts with their parameters in, tokens out. Nothing here knows of HTTP.

What a server needs of it is exported here, constraints by `backend.grammar`. A name is loaded when it is first asked
for, so that the processes that compile grammars, and `jaxchat --help`, do without JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.engine.engine import Engine, Generation
    from backend.engine.hosts import Follower, Leader
    from backend.engine.stats import EngineStats
    from backend.engine_plan import LoadOptions, examine
    from backend.load import (
        describe_machine,
        download_bytes,
        follow_engine,
        join_hosts,
        load_engine,
        modalities_of,
        pooling_of,
        resolve_checkpoint,
    )
    from backend.media import MODALITIES, SAMPLE_RATE, Film, FilmInfo, Medium, Modality, Picture, Sound
    from backend.models.catalogue import CATALOGUE, MODEL_CACHE, recommended_sampling
    from backend.models.gguf.header import read_gguf_metadata
    from backend.models.listing import LocalModel, family_of, list_models
    from backend.models.media.interface import Encoded
    from backend.models.wheels import package_client
    from backend.pooling import PoolingConfig, Task, class_scores, embedding
    from backend.request import (
        MAX_BANNED_TOKENS,
        AdapterExists,
        Admission,
        EngineFailed,
        FinishReason,
        Prompt,
        PromptLogprobs,
        QueueFull,
        ReasoningLimit,
        Request,
        RequestFailed,
        SamplingParams,
        Span,
        TokenEvent,
        UnknownAdapter,
    )

__all__ = [
    "CATALOGUE",
    "MAX_BANNED_TOKENS",
    "MODALITIES",
    "MODEL_CACHE",
    "SAMPLE_RATE",
    "AdapterExists",
    "Admission",
    "Encoded",
    "Engine",
    "EngineFailed",
    "EngineStats",
    "Film",
    "FilmInfo",
    "FinishReason",
    "Follower",
    "Generation",
    "Leader",
    "LoadOptions",
    "LocalModel",
    "Medium",
    "Modality",
    "Picture",
    "PoolingConfig",
    "Prompt",
    "PromptLogprobs",
    "QueueFull",
    "ReasoningLimit",
    "Request",
    "RequestFailed",
    "SamplingParams",
    "Sound",
    "Span",
    "Task",
    "TokenEvent",
    "UnknownAdapter",
    "class_scores",
    "describe_machine",
    "download_bytes",
    "embedding",
    "examine",
    "family_of",
    "follow_engine",
    "join_hosts",
    "list_models",
    "load_engine",
    "modalities_of",
    "package_client",
    "pooling_of",
    "read_gguf_metadata",
    "recommended_sampling",
    "resolve_checkpoint",
]

_MODULES = {
    **dict.fromkeys(
        ("MODALITIES", "SAMPLE_RATE", "Film", "FilmInfo", "Medium", "Modality", "Picture", "Sound"), "backend.media"
    ),
    **dict.fromkeys(("PoolingConfig", "Task", "class_scores", "embedding"), "backend.pooling"),
    "CATALOGUE": "backend.models.catalogue",
    "MODEL_CACHE": "backend.models.catalogue",
    "Encoded": "backend.models.media.interface",
    "Engine": "backend.engine.engine",
    "Generation": "backend.engine.engine",
    "EngineStats": "backend.engine.stats",
    "LoadOptions": "backend.engine_plan",
    "LocalModel": "backend.models.listing",
    "describe_machine": "backend.load",
    "download_bytes": "backend.load",
    "examine": "backend.engine_plan",
    "follow_engine": "backend.load",
    "join_hosts": "backend.load",
    "Follower": "backend.engine.hosts",
    "Leader": "backend.engine.hosts",
    "family_of": "backend.models.listing",
    "list_models": "backend.models.listing",
    "package_client": "backend.models.wheels",
    "pooling_of": "backend.load",
    "load_engine": "backend.load",
    "modalities_of": "backend.load",
    "read_gguf_metadata": "backend.models.gguf.header",
    "recommended_sampling": "backend.models.catalogue",
    "resolve_checkpoint": "backend.load",
}
"""Where a name is defined, if not in backend.request."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "backend.request")), name)
