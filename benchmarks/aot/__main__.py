"""How many tokens of cache each chip holds beside a model's weights, by `choose_sizes`: nothing is compiled.

python -m benchmarks.aot [--rows N]
"""

import argparse
from functools import cache

import jax.numpy as jnp
from flax import nnx
from rich.console import Console
from rich.table import Table

from backend.attention.choice import paged_attention
from backend.engine.memory import working_bytes
from backend.engine_plan import LoadOptions, choose_sizes
from backend.models.decoder import kv_specs
from backend.target import compiling_for
from benchmarks.aot.chips import CHIPS, Chip
from benchmarks.aot.models import FORMATS, MODELS, abstract_decoder
from benchmarks.aot.programs import tree_bytes

SHOWN = ("1b", "4b", "8b", "70b")


@cache
def weight_bytes(model: str, format: str | None) -> int:
    """Bytes of a model's weights, of the layers in `format`."""
    return tree_bytes(nnx.state(abstract_decoder(MODELS[model], None if format is None else FORMATS[format])))


def held_tokens(chip: Chip, model: str, format: str | None, rows: int) -> int:
    """Tokens of the cache; 0 where the weights do not fit."""
    config = MODELS[model]
    with compiling_for(chip.platform):
        backend = paged_attention(kv_specs(config), jnp.dtype(jnp.bfloat16))
        held = weight_bytes(model, format) + working_bytes(config, rows)
        try:
            sizes = choose_sizes(LoadOptions(rows=rows), config, backend, held, chip.memory)
        except ValueError:
            return 0
    return sizes.pages * sizes.page_tokens


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.aot", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=32, help="choices that are decoded at a time (%(default)s)")
    rows = parser.parse_args().rows
    table = Table("chip", *(f"{model}, {format or 'bf16'}" for model in SHOWN for format in (None, "int8")))
    for chip in CHIPS.values():
        cells = (held_tokens(chip, model, format, rows) for model in SHOWN for format in (None, "int8"))
        table.add_row(chip.name, *(f"{tokens:,}" if tokens else "-" for tokens in cells))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
