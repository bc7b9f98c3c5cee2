"""What stands ready once a model is loaded."""

import jax.numpy as jnp
import numpy as np

from backend.engine.config import EngineConfig
from backend.engine.device_adapters import DeviceAdapters
from backend.engine_plan import LoadOptions
from backend.load import read_adapters
from backend.models import hub, weights
from backend.models.checkpoint import open_checkpoint


def test_adapters_are_made_ready_for_the_slots_that_the_engine_has():
    """By the same structure, or the program that places them would not take them."""
    checkpoint = open_checkpoint(hub.resolve("tiny"))
    decoder = weights.load(checkpoint, jnp.float32)
    sizes = EngineConfig(64, pages=8, adapter_buckets=(1, 2), adapter_rank=16)
    library = read_adapters(LoadOptions(adapters={"pirate": "tiny-pirate"}), decoder, sizes, None)
    held = DeviceAdapters(decoder, sizes, None)
    held.place(1, library.fetch(library.find("pirate"), lambda: None).result())
    assert held.stacks.ranks.tolist() == [0, 8]
    assert all(np.asarray(stack.down)[1].any() for layer in held.stacks.layers for stack in layer.values())
    library.close()
