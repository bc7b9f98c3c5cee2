"""What a model's perplexity becomes when its weights are kept in fewer bits: every side over the same text, in one run.

The text is the message of a chat, cut into windows; in each, the tokens of the second half are scored, each given all
before it in its window (as llama.cpp's perplexity does). Ratios are to the first side. A side is QUANTIZATION:DTYPE, as
of `jaxchat serve`; int8, int4 and fp8 are of the checkpoint's floats, also where it is quantised already. With :8
behind it, activations become 8 bits as well, as they do on accelerators.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console
from rich.table import Table

from backend import device
from backend.attention.uncached import UncachedAttend
from backend.engine_plan import LoadOptions, choose_storage
from backend.load import resolve_checkpoint
from backend.models import weights
from backend.models.checkpoint import Checkpoint, CheckpointTensor, open_checkpoint
from backend.models.decoder import Decoder
from backend.models.storage import TARGETS, describe, kernels
from handlers.text.tokenizer import ChatTokenizer

ROOT = Path(__file__).parent.parent
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SIDES = [
    "none:float32",
    "none:bfloat16",
    "auto:auto",
    *(f"{name}:auto" for name in TARGETS),
    "int8:auto:8",
    "fp8:auto:8",
]


@dataclass(frozen=True)
class Figure:
    """One side. bits: memory of all weights, per weight. seconds: of all windows."""

    side: str
    weights: str
    bits: float
    perplexity: float
    seconds: float


def main(argv: list[str] | None = None) -> None:
    """Measure and print every side."""
    options = arguments().parse_args(argv)
    device.set_up()
    path = resolve_checkpoint(LoadOptions(options.model))
    text = "\n".join(file.read_text(encoding="utf-8") for file in options.text)
    chat = [{"role": "user", "content": text}]
    found = ChatTokenizer(path).encode_chat(chat, tools=None, template_kwargs={}, reasoning_effort=None)
    ids = np.asarray(found, np.int32)
    windows = ids[: len(ids) // options.window * options.window].reshape(-1, options.window)[: options.windows]
    if not len(windows):
        raise SystemExit(f"the text has {len(ids)} tokens, fewer than a window of {options.window}")
    figures = [measure(path, side, windows) for side in options.sides]
    Console().print(f"{options.model}: {windows.size // 2:,} tokens scored in {len(windows)} windows", table(figures))


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perplexity", description=__doc__)
    parser.add_argument("--model", default="tiny", help="as of `jaxchat serve`")
    parser.add_argument(
        "--sides", nargs="+", default=SIDES, metavar="QUANTIZATION:DTYPE[:8]", help="default: %(default)s"
    )
    parser.add_argument("--text", nargs="+", type=Path, default=TEXTS, help="default: what this repository ships")
    parser.add_argument("--window", type=int, default=512, help="tokens of a window (default: %(default)s)")
    parser.add_argument("--windows", type=int, help="windows at most (default: all)")
    return parser


def measure(path: Path, side: str, windows: np.ndarray) -> Figure:
    """The perplexity of the second halves of int32 windows [n, T], with weights as `side` says."""
    quantization, dtype, *eight = side.split(":")
    options: Any = {"quantization": quantization, "dtype": None if dtype == "auto" else dtype}
    checkpoint = open_checkpoint(path)
    storage = replace(choose_storage(LoadOptions(**options)), eight_bits=eight == ["8"])
    decoder = weights.load(Floats(checkpoint) if quantization in TARGETS else checkpoint, storage)
    for kernel in kernels(decoder.layers):
        kernel.native &= not kernel.eight_bits
    size, count = weights.weight_bytes(decoder), parameters(decoder)
    began = time.perf_counter()
    losses = np.concatenate(list(window_losses(decoder, windows)))
    return Figure(side, describe(decoder), 8 * size / count, float(np.exp(losses.mean())), time.perf_counter() - began)


class Floats:
    """A checkpoint as if it had been stored as floats: what is quantised is quantised anew, not kept."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self.tensors = {name: FloatTensor(tensor) for name, tensor in checkpoint.tensors.items()}
        self.readable = frozenset({"F32"})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoint, name)


class FloatTensor:
    """A tensor that is only readable as floats."""

    def __init__(self, tensor: CheckpointTensor) -> None:
        self.get_shape, self._read = tensor.get_shape, tensor.__getitem__

    def get_dtype(self) -> str:
        """float32."""
        return "F32"

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._read(index).astype(np.float32)


def parameters(decoder: Decoder) -> int:
    """Number of weights of all kernels."""
    return sum(kernel.values.size for kernel in kernels(decoder))


def window_losses(decoder: Decoder, windows: np.ndarray) -> Iterator[np.ndarray]:
    """Per window, the negative log-probabilities of the tokens of its second half."""
    graph, state = nnx.split(decoder)
    half = windows.shape[1] // 2

    @jax.jit
    def losses(state: nnx.State, tokens: jax.Array) -> jax.Array:
        model = nnx.merge(graph, state)
        positions = jnp.arange(len(tokens))[None]
        context = model.context(positions, UncachedAttend())
        hidden, _ = model(model.embed(tokens[None]), context, [None] * len(model.layers))
        scores = model.logits(hidden[0, half - 1 : -1])
        return jax.nn.logsumexp(scores, -1) - jnp.take_along_axis(scores, tokens[half:, None], -1)[:, 0]

    for window in windows:
        yield np.asarray(losses(state, window))


def table(figures: list[Figure]) -> Table:
    """The figures, ratios to the first."""
    rows = Table("quantization:dtype", "weights", "bits a weight", "perplexity", "ratio", "seconds")
    for figure in figures:
        ratio = figure.perplexity / figures[0].perplexity
        numbers = (f"{figure.bits:.2f}", f"{figure.perplexity:.4f}", f"{ratio:.4f}", f"{figure.seconds:.0f}")
        rows.add_row(figure.side, figure.weights, *numbers)
    return rows


if __name__ == "__main__":
    main()
