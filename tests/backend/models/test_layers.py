"""Layers declare themselves: kinds that are registered in the test alone run, load and are split over devices."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from backend.attention import AttentionSpec, KVSpec
from backend.attention.uncached import UncachedAttend
from backend.models import layers
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.context import ForwardContext
from backend.models.decoder import Decoder, kv_specs
from backend.models.rope import RopeConfig, cos_sin
from backend.models.sources import Parameter, Parameters, Stacked, Stored, Transposed
from backend.models.tensors import FLOATS, Tensors
from backend.models.weights import load
from tests.compiling import on_devices

VOCAB, EMBED, SIZE = 20, 16, 24
ATTENTION = AttentionConfig(AttentionSpec(0.5), RopeConfig(), heads=4, kv_heads=2, head_dim=4)


@dataclass(frozen=True)
class ExpertsConfig:
    """A feed-forward of several experts whose mean is taken; stored one by one and [in, out]."""

    experts: int


class Experts(nnx.Module):
    def __init__(self, config: DecoderConfig, feed_forward: ExpertsConfig, *, dtype, rngs: nnx.Rngs) -> None:
        shape = (feed_forward.experts, config.embed, config.embed)
        self.kernels = nnx.Param(jax.random.normal(rngs.params(), shape, dtype))

    def __call__(self, x: jax.Array, context: ForwardContext) -> jax.Array:
        return jnp.einsum("btd,ejd->btj", x, self.kernels[...]) / self.kernels[...].shape[0]

    def parameters(self, stem: str, norm_offset: float) -> Parameters:
        experts, size, _ = self.kernels.get_value().shape
        parts = tuple(Transposed(Stored(f"{stem}.experts.{i}.weight", (size, size))) for i in range(experts))
        return {("kernels",): Parameter(Stacked(parts), "EDD")}


@dataclass(frozen=True)
class ShiftConfig:
    """A mixer without attention: every token is given the one before it in the call, scaled."""

    scale: float


class Shift(nnx.Module):
    def __init__(self, config: DecoderConfig, mixer: ShiftConfig, *, dtype, rngs: nnx.Rngs) -> None:
        self.config = mixer

    @staticmethod
    def kv_spec(mixer: ShiftConfig) -> KVSpec:
        return KVSpec(0, 0)

    @staticmethod
    def ropes(mixer: ShiftConfig) -> tuple:
        return ()

    def __call__(self, x: jax.Array, context: ForwardContext, cache):
        return jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1] * self.config.scale, cache

    def parameters(self, stem: str, norm_offset: float) -> Parameters:
        return {}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layers.FEED_FORWARDS, ExpertsConfig, Experts)
    monkeypatch.setitem(layers.MIXERS, ShiftConfig, Shift)


def config(*kinds: LayerConfig) -> DecoderConfig:
    return DecoderConfig(VOCAB, EMBED, kinds, 64, 1e-6)


def run(decoder: Decoder, x: jax.Array, positions: jax.Array) -> jax.Array:
    return decoder(x, decoder.context(positions, UncachedAttend()), [None] * len(decoder.layers))[0]


@pytest.mark.usefixtures("registered")
def test_a_new_mixer_and_a_new_feed_forward_run_and_load_beside_the_known_ones(tmp_path: Path) -> None:
    mixed = config(LayerConfig(ShiftConfig(0.5), ExpertsConfig(3)), LayerConfig(ATTENTION, MLPConfig(SIZE)))
    decoder = Decoder(mixed, rngs=nnx.Rngs(0))
    table = decoder.parameters()
    state = dict(nnx.to_flat_state(nnx.state(decoder)))
    stored = {
        name: np.ascontiguousarray(tensor)
        for path, parameter in table.items()
        for name, tensor in parameter.source.split(np.asarray(state[path].get_value()))
    }
    assert "model.layers.0.experts.2.weight" in stored
    save_file(stored, tmp_path / "model.safetensors")
    names = {"described_by": "the test", "readable": FLOATS, "stored_name": str}
    own = SimpleNamespace(config=mixed, tensors=Tensors(tmp_path), norm_offset=0.0, **names)
    loaded = dict(nnx.to_flat_state(nnx.state(load(own, jnp.float32))))
    for path, variable in state.items():
        np.testing.assert_array_equal(loaded[path].get_value(), variable.get_value())
        assert len(table[path].axes) == variable.get_value().ndim
    assert kv_specs(mixed) == (KVSpec(0, 0), KVSpec(2, 4))

    x = jax.random.normal(jax.random.key(1), (2, 5, EMBED))
    positions = jnp.broadcast_to(jnp.arange(5), (2, 5))
    first = decoder.layers[0]
    mixed_in = x + 0.5 * jnp.pad(first.mixer_norm(x), ((0, 0), (1, 0), (0, 0)))[:, :-1]
    kernel = np.mean([stored[f"model.layers.0.experts.{i}.weight"] for i in range(3)], axis=0)
    by_hand = mixed_in + first.feed_forward_norm(mixed_in) @ kernel
    np.testing.assert_allclose(first(x, decoder.context(positions, UncachedAttend()), None)[0], by_hand, atol=1e-5)
    assert jnp.isfinite(run(decoder, x, positions)).all()


def test_a_forward_context_is_one_pytree_that_a_compiled_function_takes() -> None:
    decoder = Decoder(config(LayerConfig(ATTENTION, MLPConfig(SIZE))), rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (2, 5, EMBED))
    positions = jnp.broadcast_to(jnp.arange(5), (2, 5))
    context = decoder.context(positions, UncachedAttend(jnp.zeros((2, 5), jnp.int32)))
    assert len(jax.tree.leaves(context)) == 4  # positions, segments, cosines and sines
    given = jax.jit(lambda x, context: decoder(x, context, [None])[0])(x, context)
    np.testing.assert_allclose(given, run(decoder, x, positions), atol=1e-6)


def test_rows_may_come_with_embeddings_in_place_of_ids() -> None:
    decoder = Decoder(config(LayerConfig(ATTENTION, MLPConfig(SIZE))), rngs=nnx.Rngs(0))
    tokens, positions = jnp.array([[3, 1, 4, 1]]), jnp.arange(4)[None]
    foreign = decoder.embed(tokens).at[0, 2].set(7.0)
    changed, usual = run(decoder, foreign, positions), run(decoder, decoder.embed(tokens), positions)
    np.testing.assert_array_equal(changed[0, :2], usual[0, :2])
    assert not np.allclose(changed[0, 2:], usual[0, 2:])


def test_positions_of_three_numbers_turn_their_sections_and_equal_ones_are_plain_positions() -> None:
    plain, sections = RopeConfig(), RopeConfig(sections=(1, 1, 2))
    positions = jnp.array([[0, 3, 9], [4, 5, 6]])
    same = cos_sin(sections, jnp.broadcast_to(positions, (3, 2, 3)), 8)
    for got, expected in zip(same, cos_sin(plain, positions, 8), strict=True):
        np.testing.assert_array_equal(got, expected)
    axes = jnp.stack([positions, positions + 11, positions * 2])
    for got, *parts in zip(cos_sin(sections, axes, 8), *(cos_sin(plain, axis, 8) for axis in axes), strict=True):
        time, height, width = (np.asarray(part) for part in parts)
        np.testing.assert_array_equal(got, np.concatenate([time[..., :1], height[..., 1:2], width[..., 2:]], -1))


def test_positions_of_three_numbers_reach_the_layers_without_the_engine() -> None:
    turning = AttentionConfig(AttentionSpec(0.5), RopeConfig(sections=(1, 0, 1)), heads=4, kv_heads=2, head_dim=4)
    decoder = Decoder(config(LayerConfig(turning, MLPConfig(SIZE))), rngs=nnx.Rngs(0))
    x = decoder.embed(jnp.array([[3, 1, 4, 1]]))
    positions = jnp.arange(4)[None]
    out = [
        decoder(x, decoder.context(positions, UncachedAttend(), turned), [None])[0]
        for turned in (None, jnp.broadcast_to(positions, (3, 1, 4)), jnp.stack([positions, positions, positions * 0]))
    ]
    np.testing.assert_array_equal(out[0], out[1])
    assert not np.allclose(out[0], out[2])


ON_FOUR_DEVICES = """
import json, re
import jax, jax.numpy as jnp
from flax import nnx
from backend.attention import AttentionSpec
from backend.attention.uncached import UncachedAttend
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.rope import RopeConfig
from backend.sharding import make_mesh, sharding

attention = AttentionConfig(AttentionSpec(0.5), RopeConfig(), heads=8, kv_heads=4, head_dim=4, qkv_bias=True)
decoder = Decoder(DecoderConfig(64, 32, (LayerConfig(attention, MLPConfig(48)),), 64, 1e-6), rngs=nnx.Rngs(0))
mesh = make_mesh(jax.devices(), [4])
table, (graph, state) = decoder.parameters(), nnx.split(decoder)
flat = dict(nnx.to_flat_state(state))
placed = {
    path: flat[path].replace(
        jax.device_put(value := flat[path].get_value(), sharding(mesh, parameter.axes, value.shape))
    )
    for path, parameter in table.items()
}
x, positions = jax.random.normal(jax.random.key(0), (2, 6, 32)), jnp.broadcast_to(jnp.arange(6), (2, 6))

def layer(state, x):
    decoder = nnx.merge(graph, state)
    return decoder.layers[0](x, decoder.context(positions, UncachedAttend()), None)[0]

compiled = jax.jit(layer).lower(nnx.from_flat_state(placed), x).compile()
names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
print(json.dumps({name: len(re.findall(rf" {name}(?:-start)?\\(", compiled.as_text())) for name in names}))
difference = jnp.abs(jax.device_get(compiled(nnx.from_flat_state(placed), x)) - layer(state, x)).max()
print(json.dumps(bool(difference < 1e-4)))
"""


def test_a_layer_is_split_over_devices_with_two_reductions_and_no_other_exchange() -> None:
    """Fused kernels come apart on each device; what is summed is what attention and feed-forward give."""
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES], env=on_devices(4), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    counts, equal = map(json.loads, done.stdout.splitlines()[-2:])
    assert {name: count for name, count in counts.items() if count} == {"all-reduce": 2}
    assert equal


def test_layers_of_one_kind_are_traced_once(monkeypatch) -> None:
    """However many there are; starting a server takes as long as tracing its programs."""
    traced: list[DecoderConfig] = []
    real = layers.DecoderLayer.__call__

    def noting(self, *args):
        traced.append(self)
        return real(self, *args)

    monkeypatch.setattr(layers.DecoderLayer, "__call__", noting)
    kinds = [LayerConfig(replace(ATTENTION, spec=AttentionSpec(0.5, window)), MLPConfig(SIZE)) for window in (None, 3)]
    decoder = Decoder(DecoderConfig(VOCAB, EMBED, (*kinds * 4,), 64, norm_epsilon=1e-6), rngs=nnx.Rngs(0))
    x, positions = jnp.ones((1, 5, EMBED)), jnp.arange(5)[None]
    jax.jit(lambda x: decoder(x, decoder.context(positions, UncachedAttend()), [None] * 8)[0]).lower(x)
    assert len(traced) == 2
