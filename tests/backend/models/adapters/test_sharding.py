"""Adapters are split over devices as their base's weights are."""

import json
import subprocess
import sys

from tests.compiling import on_devices

ON_FOUR_DEVICES = """
import json, re
import jax, jax.numpy as jnp, numpy as np
from flax import nnx
from backend.attention import AttentionSpec
from backend.attention.uncached import UncachedAttend
from backend.models.adapters.checkpoint import AdapterBase
from backend.models.adapters.placing import empty_stacks, stack_shardings
from backend.models.adapters.stack import of_call, row_adapters
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.rope import RopeConfig
from backend.sharding import in_groups, make_mesh, of_group, sharding

attention = AttentionConfig(AttentionSpec(0.25), RopeConfig(), heads=8, kv_heads=4, head_dim=16, qkv_bias=True)
decoder = Decoder(DecoderConfig(64, 32, (LayerConfig(attention, MLPConfig(64)),), 64, 1e-6), rngs=nnx.Rngs(0))
mesh = make_mesh(jax.devices(), [4])
table, (graph, state) = decoder.parameters(), nnx.split(decoder)
flat = dict(nnx.to_flat_state(state))
placed = {
    path: flat[path].replace(
        jax.device_put(flat[path].get_value(), sharding(mesh, parameter.axes, flat[path].get_value().shape))
    )
    for path, parameter in table.items()
}
base = AdapterBase(decoder)
empty = empty_stacks(base, 3, 8)
random = np.random.default_rng(0)

def drawn(array):
    full = np.full(array.shape, 8) if array.ndim == 1 else random.standard_normal(array.shape) * 0.2
    return full.astype(array.dtype)

stacks = jax.tree.map(drawn, empty)
split = jax.device_put(stacks, stack_shardings(base, empty, mesh)[0])
x, positions = jax.random.normal(jax.random.key(0), (4, 6, 32)), jnp.broadcast_to(jnp.arange(6), (4, 6))
rows = row_adapters([2, 0, -1, 2], 3)

def layer(state, stacks, x):
    decoder = nnx.merge(graph, state)
    context = decoder.context(positions, UncachedAttend(), adapters=of_call(stacks, rows, positions))
    return decoder.layers[0](x, context.of_layer(0), None)[0]

spread = jax.jit(in_groups(mesh, layer, (of_group(),) * 3, of_group()))
compiled = spread.lower(nnx.from_flat_state(placed), split, x).compile()
names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
print(json.dumps({name: len(re.findall(rf" {name}(?:-start)?\\(", compiled.as_text())) for name in names}))
print(json.dumps([not array.sharding.is_fully_replicated for array in jax.tree.leaves(split.layers[0])]))
found, whole = jax.device_get(compiled(nnx.from_flat_state(placed), split, x)), jax.jit(layer)
print(json.dumps([float(np.abs(found - whole(state, given, x)).max()) for given in (stacks, empty)]))
"""


def test_adapters_are_split_as_their_kernels_are_and_cost_no_exchange_of_their_own() -> None:
    """Of four kernels, outputs of two and inputs of two are split; what is summed is summed with the kernel's."""
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES], env=on_devices(4), capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    counts, are_split, (difference, without) = map(json.loads, done.stdout.splitlines()[-3:])
    assert {name: count for name, count in counts.items() if count} == {"all-reduce": 2}
    assert sum(are_split) == 2 + 2 * (2 + 3)
    assert difference < 1e-4 < 0.1 < without
