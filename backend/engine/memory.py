"""What an engine needs of an accelerator's memory beside weights and pages, before anything is compiled."""

from jax.sharding import Mesh

from backend.engine.config import EngineConfig
from backend.engine.prefill_shapes import SHAPES, padded
from backend.grammar.device.mask_cache import padded as padded_words
from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder
from backend.models.weights import device_bytes
from backend.sharding import HEADS
from backend.target import platform

PER_TOKEN_AND_ROW = 10
"""Bytes of a row's state for each token of the vocabulary: bias and count; is it in the prompt; is it an end."""
VOCABULARY = 96
"""Bytes that a token takes in what grammars know of the vocabulary, about."""
LOGITS = 6
"""Arrays of logits, float32 [R, V], that a decoding step has at a time, at most."""


def working_bytes(config: DecoderConfig, rows: int) -> int:
    """Bytes of the rows' state, grammars and token masks, and of what the largest programs compute. rows: R.

    An encoder of media computes beside the decoder, not in its turn. An upper estimate; tests compile what it leads to
    for each kind of device.
    """
    vocab = config.vocab
    masks = 0 if platform() == "gpu" else EngineConfig.grammar_masks
    state = rows * vocab * PER_TOKEN_AND_ROW + rows * 4 * config.context
    grammars = 4 * EngineConfig.grammar_cells + masks * 4 * padded_words(-(-vocab // 32)) + VOCABULARY * vocab
    tokens = max(map(padded, SHAPES[platform()]))
    widest = max(getattr(layer.feed_forward, "size", config.embed) for layer in config.layers)
    # In a layer: gate and up, their product, and in and out; in two and in four bytes.
    prefill = tokens * (4 * widest + 6 * config.embed) * 3
    media = 0 if config.media is None else config.media.working_bytes(config.embed)
    return state + grammars + media + max(prefill, LOGITS * 4 * rows * vocab)


def pool_memory(decoder: Decoder, rows: int, mesh: Mesh | None, adapters: int, memory: int) -> tuple[int, int]:
    """Bytes that are taken before there is a cache, and bytes in all: what `choose_sizes` shares out.

    adapters: bytes of all adapters. memory: bytes of one device. All devices have the same pages, of their own heads:
    what one has for them counts for as many as heads are split over.
    """
    parts = 1 if mesh is None else mesh.shape[HEADS]
    taken = parts * device_bytes(decoder, mesh) + adapters
    if platform() != "cpu":
        taken += parts * working_bytes(decoder.config, rows)
    return taken, parts * memory
