"""The tensors of a GGUF file by the names that transformers' Llama line has for them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backend.models.gguf.tensors import GGUFTensor

WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SANDWICH = LAYER | {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
"""With norms before and after mixer and feed-forward."""
FUSED = {
    "attn_qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "ffn_up": ("mlp.gate_proj", "mlp.up_proj"),
}
"""Stored together, row below row: `ffn_up` where it has the rows of both."""
ROTATED = ("self_attn.q_proj", "self_attn.k_proj")
_STORED = re.compile(r"(?:blk\.(?P<layer>[0-9]+)\.)?(?P<part>[a-z_]+)\.(?P<kind>weight|bias)")
_OURS = re.compile(r"(?:model\.layers\.(?P<layer>[0-9]+)\.)?(?P<part>.+)\.(?P<kind>weight|bias)")


@dataclass(frozen=True)
class Layout:
    """What the names and rows of an architecture's layers depend on.

    hidden: units of the feed-forward. sandwich: norms before and after mixer and feed-forward. neighbours: rows of
    queries and keys that are rotated together are neighbours, where the decoder has them half a head apart.
    """

    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    sandwich: bool
    neighbours: bool

    @property
    def names(self) -> dict[str, str]:
        """Part of a layer -> our name for it."""
        return SANDWICH if self.sandwich else LAYER

    def rows(self, part: str) -> list[int]:
        """The rows of each of the tensors that are stored together as `part`."""
        sizes = {"attn_qkv": (self.heads, self.kv_heads, self.kv_heads), "ffn_up": (1, 1)}[part]
        unit = self.head_dim if part == "attn_qkv" else self.hidden
        return [size * unit for size in sizes]


def our_tensors(stored: Mapping[str, GGUFTensor], layout: Layout) -> dict[str, GGUFTensor]:
    """Tensors by our names, what is stored together taken apart; unknown ones by their own."""
    return {name: tensor for each in stored.values() for name, tensor in _named(each, layout)}


def stored_name(name: str, layout: Layout) -> str:
    """Our name of a tensor -> what files call it; other names stay as they are."""
    match = _OURS.fullmatch(name)
    if match is None:
        return name
    layer, part, kind = match.group("layer", "part", "kind")
    names = WHOLE if layer is None else layout.names
    found = next((theirs for theirs, ours in names.items() if ours == part), None)
    return name if found is None else _joined("blk.", layer, found, kind)


def _named(tensor: GGUFTensor, layout: Layout) -> Iterator[tuple[str, GGUFTensor]]:
    match = _STORED.fullmatch(tensor.name)
    if match is None:
        yield tensor.name, tensor
        return
    layer, part, kind = match.group("layer", "part", "kind")
    if layer is not None and part in FUSED and tensor.shape[0] == sum(rows := layout.rows(part)):
        start = 0
        for ours, height in zip(FUSED[part], rows, strict=True):
            yield _joined("model.layers.", layer, ours, kind), _turned(tensor.part(start, height), ours, layout)
            start += height
        return
    name = (WHOLE if layer is None else layout.names).get(part)
    if name is None:
        yield tensor.name, tensor
    else:
        yield _joined("model.layers.", layer, name, kind), _turned(tensor, name, layout)


def _turned(tensor: GGUFTensor, ours: str, layout: Layout) -> GGUFTensor:
    return replace(tensor, head_dim=layout.head_dim) if layout.neighbours and ours in ROTATED else tensor


def _joined(stem: str, layer: str | None, part: str, kind: str) -> str:
    return f"{part}.{kind}" if layer is None else f"{stem}{layer}.{part}.{kind}"
