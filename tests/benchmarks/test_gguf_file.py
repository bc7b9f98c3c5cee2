"""The GGUF file holds the checkpoint's numbers where llama.cpp looks for them."""

import gguf
import numpy as np
import pytest
from safetensors.torch import load_file

from benchmarks.serving import gguf_file, models


@pytest.fixture(scope="module", params=["random", "bundled"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """(model, reader) of one file."""
    folder = tmp_path_factory.mktemp("gguf")
    random = request.param == "random"
    model = models.random_model(folder / "model", quick=True) if random else models.bundled_model(folder / "model")
    gguf_file.write(model, folder / "model.gguf")
    return model, gguf.GGUFReader(folder / "model.gguf")


def test_every_number_of_the_checkpoint_is_in_the_file(written) -> None:
    model, reader = written
    assert sum(int(tensor.n_elements) for tensor in reader.tensors) == model.parameters
    assert len({tensor.name for tensor in reader.tensors}) == len(load_file(model.folder / "model.safetensors"))
    assert all(tensor.tensor_type == gguf.GGMLQuantizationType.F32 for tensor in reader.tensors)


def test_attention_scores_are_the_same_whichever_way_positions_rotate(written) -> None:
    """Queries rotated as llama.cpp does with the file's rows equal those that transformers makes, but for the order."""
    model, reader = written
    kind = reader.fields["general.architecture"].contents()
    head_dim, heads = (int(reader.fields[f"{kind}.attention.{k}"].contents()) for k in ("key_length", "head_count"))
    tensors = load_file(model.folder / "model.safetensors")
    own = tensors["model.layers.0.self_attn.q_proj.weight"].float().numpy().reshape(heads, head_dim, -1)
    theirs = next(t.data for t in reader.tensors if t.name == "blk.0.attn_q.weight").reshape(heads, head_dim, -1)
    x, angles = np.random.default_rng(0).normal(size=own.shape[-1]), np.arange(head_dim // 2) * 0.3
    halves = _rotated(*np.split(own @ x, 2, axis=-1), angles)
    pairs = theirs @ x
    # llama.cpp turns neighbours for `llama`, and halves for `qwen3`.
    turned = (
        _rotated(pairs[:, 0::2], pairs[:, 1::2], angles)
        if kind == "llama"
        else _rotated(*np.split(pairs, 2, axis=-1), angles)
    )
    for a, b in zip(halves, turned, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def _rotated(a: np.ndarray, b: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)


def test_tokens_stand_at_their_ids(written) -> None:
    model, reader = written
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == model.vocab and tokens[:3] == ["<|fill|>", "<|im_start|>", "<|close|>"]
