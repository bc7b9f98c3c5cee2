"""Names of GGUF files against the gguf package's own table; what is stored together is taken apart."""

from dataclasses import replace

import gguf
import numpy as np
import pytest

from backend.models.gguf.names import Layout, our_tensors, stored_name
from backend.models.gguf.tensors import GGUFTensor

LAYOUT = Layout(heads=4, kv_heads=2, head_dim=8, hidden=24, sandwich=False, neighbours=False)
OURS = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
PARTS = ("input_layernorm", "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
ATTENTION = tuple(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj"))
NORMS = ("self_attn.q_norm", "self_attn.k_norm")
SANDWICH = ("pre_feedforward_layernorm", "post_feedforward_layernorm")
FAMILIES = {
    gguf.MODEL_ARCH.LLAMA: (*PARTS, *ATTENTION),
    gguf.MODEL_ARCH.QWEN2: (*PARTS, *ATTENTION),
    gguf.MODEL_ARCH.QWEN3: (*PARTS, *ATTENTION, *NORMS),
    gguf.MODEL_ARCH.GEMMA2: (*PARTS, *ATTENTION, *SANDWICH),
    gguf.MODEL_ARCH.GEMMA3: (*PARTS, *ATTENTION, *NORMS, *SANDWICH),
}


def floats(name: str, values: np.ndarray) -> GGUFTensor:
    return GGUFTensor(name, gguf.GGMLQuantizationType.F32, values.shape, values.astype(np.float32).view(np.uint8))


@pytest.mark.parametrize("architecture", FAMILIES, ids=lambda architecture: architecture.name)
def test_every_name_is_the_packages_and_leads_back(architecture: gguf.MODEL_ARCH) -> None:
    table = gguf.get_tensor_name_map(architecture, 12)
    layout = replace(LAYOUT, sandwich=SANDWICH[0] in FAMILIES[architecture])
    whole = OURS[:-1] if architecture == gguf.MODEL_ARCH.GEMMA2 else OURS  # its head is always the embedding
    for name in (*whole, *(f"model.layers.{i}.{part}.weight" for i in (0, 11) for part in FAMILIES[architecture])):
        stored = stored_name(name, layout)
        assert stored == table.get_name(name, try_suffixes=(".weight",))
        assert list(our_tensors({stored: floats(stored, np.zeros((2, 2)))}, layout)) == [name]
    assert stored_name("model.layers.3.self_attn.q_proj.bias", layout) == "blk.3.attn_q.bias"


@pytest.mark.parametrize(
    "name", ["novel.weight", "blk.0.novel.weight", "blk.x.attn_q.weight", "blk.0.attn_q", "a.b.c.d"]
)
def test_unknown_names_stay(name: str) -> None:
    assert list(our_tensors({name: floats(name, np.zeros((2, 2)))}, LAYOUT)) == [name]
    assert stored_name(name, LAYOUT) == name


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_what_is_stored_together_is_as_if_it_were_apart(kind: str, neighbours: bool) -> None:
    layout = replace(LAYOUT, neighbours=neighbours)
    random, columns = np.random.default_rng(0), (6,) if kind == "weight" else ()
    q, k, v, gate, up = (random.normal(size=(rows, *columns)) for rows in (32, 16, 16, 24, 24))
    apart = {"attn_q": q, "attn_k": k, "attn_v": v, "ffn_gate": gate, "ffn_up": up}
    together = {"attn_qkv": np.concatenate([q, k, v]), "ffn_up": np.concatenate([gate, up])}
    found, expected = (
        our_tensors({f"blk.1.{name}.{kind}": floats(f"blk.1.{name}.{kind}", x) for name, x in stored.items()}, layout)
        for stored in (together, apart)
    )
    assert found.keys() == expected.keys() and len(found) == 5
    for name, tensor in found.items():
        assert tensor.get_shape() == expected[name].get_shape()
        for rows in (slice(None), slice(3, 11)):
            np.testing.assert_array_equal(tensor[rows], expected[name][rows])
    if kind == "weight":
        name = "model.layers.1.self_attn.k_proj.weight"
        np.testing.assert_array_equal(found[name].blocks(slice(2, 9)), expected[name].blocks(slice(2, 9)))
