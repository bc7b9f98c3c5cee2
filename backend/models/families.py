"""A configuration of transformers -> `DecoderConfig`: one small reader per model family.

transformers' own configuration classes fill in each family's defaults and old spellings (`rope_scaling`, `rope_theta`,
`sliding_window_pattern`); what the decoder would not honour is refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from backend.attention import AttentionSpec
from backend.models.config import Activation, AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.errors import CheckpointError
from backend.models.media import gemma4_unified, qwen3_vl
from backend.models.media.interface import MediaConfig
from backend.models.rope_reader import read_rope, stretched_context

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
}
UNHONOURED: dict[str, tuple[Any, ...]] = {
    "mlp_bias": (),
    "use_bidirectional_attention": ("vision",),
    "num_kv_shared_layers": (0,),
    "enable_moe_block": (),
    "hidden_size_per_layer_input": (0,),
}
"""Keys that change the numbers in a way the decoder does not: refused unless absent, null, false or one of these."""

SIZES = ("vocab_size", "hidden_size", "num_hidden_layers")
LAYER_SIZES = ("intermediate_size", "num_attention_heads", "num_key_value_heads")
MOST_SIZE = 1 << 24
LAYER_COUNTS, MOST_LAYERS = ("num_hidden_layers", "depth"), 4096
"""Keys by which transformers and the decoder make something for each layer, of text or media."""


def read_config(raw: dict[str, Any], processors: Mapping[str, Mapping[str, Any]] | None = None) -> DecoderConfig:
    """The decoder that a parsed config.json describes; `CheckpointError` names each key that is not honoured.

    processors: what the checkpoint says of its processors of media, by their names, see `media.settings`.
    """
    family = family_of(raw)
    config = parse(raw)
    text = config.get_text_config()
    _refuse_unhonoured(raw, text)
    try:
        media = None if family.media is None else family.media(config, processors or {})
        decoder = family.read(text)
        tied = bool(getattr(config, "tie_word_embeddings", decoder.tied_head))  # the whole model's, where it has one
        return replace(decoder, media=media, tied_head=tied)
    except RuntimeError as error:  # transformers' own, of a key that layers must have in common
        raise CheckpointError(f"its layers differ in what must be alike: {error}") from error


def family_of(raw: dict[str, Any]) -> "Family":
    """The family of a parsed config.json. Raises `CheckpointError` listing the supported ones."""
    name = raw.get("model_type")
    if name not in FAMILIES:
        supported = ", ".join(sorted(FAMILIES))
        raise CheckpointError(f"model_type {name!r} is not supported; supported are {supported}")
    return FAMILIES[name]


def parse(raw: dict[str, Any]) -> PreTrainedConfig:
    """transformers' own configuration of a parsed config.json. Raises `CheckpointError` where it takes none."""
    for section in (raw, *(value for value in raw.values() if isinstance(value, dict))):
        for key in LAYER_COUNTS:
            count = section.get(key)
            if isinstance(count, int | float) and count > MOST_LAYERS:
                raise CheckpointError(f"{key} must be a number from 1 to {MOST_LAYERS:,}, not {count!r}")
    fields = {key: value for key, value in raw.items() if key not in ("model_type", "auto_map", "quantization_config")}
    try:
        return AutoConfig.for_model(raw["model_type"], **fields)
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"transformers does not accept it: {error}") from error


def _refuse_unhonoured(raw: dict[str, Any], config: PreTrainedConfig) -> None:
    values = {key: raw.get(key) or getattr(config, key, None) for key in UNHONOURED}
    found = [key for key, value in values.items() if value and value not in UNHONOURED[key]]
    found += ["is_causal false"] if raw.get("is_causal") is False else []
    if found:
        raise CheckpointError(f"{', '.join(found)} not supported; use a checkpoint without")


def _decoder(
    config: Any,
    *,
    types: list[str],
    scale: float | None = None,
    softcap: float | None = None,
    attention: dict[str, Any] | None = None,
    of_kind: Callable[[str], dict[str, Any]] = lambda kind: {},
    **family: Any,
) -> DecoderConfig:
    """What all families share.

    types: each layer's; only 'sliding_attention' has the window. attention: fields of every `AttentionConfig`; of_kind:
    those of layers of one type.
    """
    _check_sizes(config, SIZES)
    _check_layers(config, types)

    def layer(kind: str) -> LayerConfig:
        own = _layers_of(config, kind)
        _check_sizes(own, LAYER_SIZES)
        head_dim = getattr(own, "head_dim", None) or own.hidden_size // own.num_attention_heads
        _check_heads(own.num_attention_heads, own.num_key_value_heads, head_dim)
        window = own.sliding_window if kind == "sliding_attention" else None
        mixer = AttentionConfig(
            spec=AttentionSpec(scale=head_dim**-0.5 if scale is None else scale, window=window, softcap=softcap),
            rope=read_rope(own, kind),
            heads=own.num_attention_heads,
            kv_heads=own.num_key_value_heads,
            head_dim=head_dim,
            **(attention or {}),
            **of_kind(kind),
        )
        return LayerConfig(mixer, MLPConfig(own.intermediate_size, _activation(own)))

    values = {
        "vocab": config.vocab_size,
        "embed": config.hidden_size,
        "layers": tuple(layer(kind) for kind in types),
        "context": stretched_context(config),
        "norm_epsilon": config.rms_norm_eps,
        "tied_head": bool(getattr(config, "tie_word_embeddings", False)),
    }
    return DecoderConfig(**(values | family))


def _activation(config: Any) -> Activation:
    key = "hidden_activation" if hasattr(config, "hidden_activation") else "hidden_act"
    name = getattr(config, key)
    if name not in ACTIVATIONS:
        raise CheckpointError(f"{key} {name!r} is not supported; supported are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _layers_of(config: Any, kind: str) -> Any:
    """The configuration of layers of one type, which may have other sizes than those of another."""
    if not config.is_heterogeneous:
        return config
    try:
        return config.per_layer_config[kind]
    except ValueError as error:
        raise CheckpointError(f"layers of one type must be alike: {error}") from error


def _check_sizes(config: Any, keys: tuple[str, ...]) -> None:
    for key in keys:
        size = getattr(config, key)
        if type(size) is not int or not 1 <= size <= MOST_SIZE:
            raise CheckpointError(f"{key} must be a number from 1 to {MOST_SIZE:,}, not {size!r}")


def _check_layers(config: Any, types: list[str]) -> None:
    unknown = sorted(set(types) - {"full_attention", "sliding_attention"})
    if unknown:
        raise CheckpointError(f"layer_types {', '.join(unknown)} not supported; full or sliding only")
    if len(types) != config.num_hidden_layers:
        raise CheckpointError(f"layer_types names {len(types)} layers, num_hidden_layers is {config.num_hidden_layers}")


def _check_heads(heads: int, kv_heads: int, head_dim: int) -> None:
    if heads % kv_heads:
        raise CheckpointError(f"num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}")
    if head_dim % 2:
        raise CheckpointError(f"head_dim {head_dim} is odd; rotary embedding needs pairs")


def _biases(everywhere: bool) -> dict[str, bool]:
    return {"qkv_bias": everywhere, "out_bias": everywhere}


def _llama(config: Any) -> DecoderConfig:
    types = ["full_attention"] * config.num_hidden_layers
    return _decoder(config, types=types, attention=_biases(config.attention_bias))


def _mistral(config: Any) -> DecoderConfig:
    kind = "full_attention" if config.sliding_window is None else "sliding_attention"
    types = [kind] * config.num_hidden_layers
    if getattr(config, "layer_types", None) not in (None, types):
        raise CheckpointError("layer_types differs from sliding_window, which mistral has in every layer")
    return _decoder(config, types=types)


def _qwen2(config: Any) -> DecoderConfig:
    return _decoder(config, types=config.layer_types, attention={"qkv_bias": True})


def _qwen3(config: Any) -> DecoderConfig:
    return _decoder(config, types=config.layer_types, attention=_biases(config.attention_bias) | {"qk_norm": True})


def _qwen3_vl(config: Any) -> DecoderConfig:
    """Positions turn by time, height and width, each by pairs of its own."""
    sections = tuple((config.rope_parameters or {}).get("mrope_section") or (24, 20, 20))
    types = ["full_attention"] * config.num_hidden_layers
    decoder = _decoder(config, types=types, attention=_biases(config.attention_bias) | {"qk_norm": True})
    (layer,) = set(decoder.layers)
    if len(sections) != 3 or sum(sections) != layer.mixer.head_dim // 2:
        raise CheckpointError(f"mrope_section {list(sections)} must be three numbers, together half of head_dim")
    rope = replace(layer.mixer.rope, sections=sections, interleaved=True)
    return replace(decoder, layers=(replace(layer, mixer=replace(layer.mixer, rope=rope)),) * len(types))


def _gemma2(config: Any, qk_norm: bool = False, **family: Any) -> DecoderConfig:
    return _decoder(
        config,
        types=config.layer_types,
        scale=config.query_pre_attn_scalar**-0.5,
        attention=_biases(config.attention_bias) | {"qk_norm": qk_norm},
        sandwich_norms=True,
        embedding_scale=config.hidden_size**0.5,
        logit_softcap=config.final_logit_softcapping,
        **({"softcap": config.attn_logit_softcapping} | family),
    )


def _gemma3(config: Any) -> DecoderConfig:
    if config.attn_logit_softcapping is not None:
        raise CheckpointError("attn_logit_softcapping has no meaning in gemma3; remove it")
    # Gemma 3's max_position_embeddings already counts the stretched context.
    return _gemma2(config, softcap=None, qk_norm=True, context=config.max_position_embeddings)


def _gemma4(config: Any) -> DecoderConfig:
    return _decoder(
        config,
        types=config.layer_types,
        scale=1.0,
        attention=_biases(config.attention_bias) | {"qk_norm": True, "v_norm": True},
        of_kind=lambda kind: {"keys_as_values": bool(config.attention_k_eq_v) and kind != "sliding_attention"},
        sandwich_norms=True,
        layer_scales=True,
        embedding_scale=config.hidden_size**0.5,
        logit_softcap=config.final_logit_softcapping,
    )


TOWERS = ("vision_tower.", "multi_modal_projector.", "audio_tower.", "embed_vision.", "embed_audio.")
"""Parts of a multimodal checkpoint that its text decoder has no use for."""


def _text_name(name: str) -> str | None:
    """The text decoder's part of a multimodal checkpoint; None for the towers."""
    return None if any(tower in name for tower in TOWERS) else _multimodal_name(name)


def _multimodal_name(name: str) -> str:
    """The name that a tensor of the text decoder has in a checkpoint of text, in either of the two layouts."""
    if name.startswith("model.language_model."):
        return "model." + name.removeprefix("model.language_model.")
    return name.removeprefix("language_model.")


@dataclass(frozen=True)
class Family:
    """How the checkpoints of one model_type are read.

    read: configuration of transformers -> `DecoderConfig`. norm_offset: added to stored norm scales. rename: a tensor's
    stored name -> its name in the decoder, None where the decoder has no use for it. media: the whole configuration of
    transformers and what is said of processors -> what is taken beside text; None for a family of text alone.
    """

    read: Callable[[Any], DecoderConfig]
    norm_offset: float = 0.0
    rename: Callable[[str], str | None] = str
    media: Callable[[Any, Mapping[str, Mapping[str, Any]]], MediaConfig | None] | None = None


FAMILIES: dict[str, Family] = {
    "llama": Family(_llama),
    "mistral": Family(_mistral),
    "qwen2": Family(_qwen2),
    "qwen3": Family(_qwen3),
    "gemma2": Family(_gemma2, norm_offset=1.0),
    "gemma3_text": Family(_gemma3, norm_offset=1.0),
    "gemma3": Family(_gemma3, norm_offset=1.0, rename=_text_name),
    "gemma4_text": Family(_gemma4),
    "gemma4": Family(_gemma4, rename=_text_name),
    "gemma4_unified_text": Family(_gemma4),
    "qwen3_vl_text": Family(_qwen3_vl),
    "qwen3_vl": Family(_qwen3_vl, rename=_multimodal_name, media=qwen3_vl.read_media),
    "gemma4_unified": Family(_gemma4, rename=_multimodal_name, media=gemma4_unified.read_media),
}
