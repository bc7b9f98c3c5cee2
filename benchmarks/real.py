"""A real model beside llama.cpp, in the same types: one GGUF file written anew in each, both sides by turns.

Decoding is counted from the moment every row has its first token; the first token is that of one row with a prompt of
`--prompt` tokens. The other side is llama.cpp's own C interface on all cores, by the package llama-cpp-python.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import gguf
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from backend.models.storage import Storage
from benchmarks import checkpoint, machine
from benchmarks.decode import PAUSE
from benchmarks.peers import FLOAT32, Jaxchat, Side

NEW, SHORT = 48, 64
KINDS = {
    "F32": FLOAT32,
    "BF16": Storage(jnp.dtype("float32"), None, in_bfloat16=True),
    "Q8_0": Storage(jnp.dtype("float32"), None, in_bfloat16=True),
    "Q4_1": Storage(jnp.dtype("float32"), None, in_bfloat16=True),
}
"""Type of the file's matrices -> how our side keeps and multiplies them. Below 32 bits as with `--dtype bfloat16`:
llama.cpp rounds activations as well."""


def main(argv: Sequence[str] | None = None) -> None:
    """Compare at every type and number of rows."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a GGUF file, of any type")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="types (%(default)s)")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32], help="rows decoded together (%(default)s)")
    parser.add_argument("--prompt", type=int, default=500, help="tokens before the first token (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (%(default)s)")
    arguments = parser.parse_args(argv)
    table = Table("type", "rows", "jaxchat", "llama.cpp", "ratio", "lowest", "highest", title="tokens/s of all rows")
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{kind}.gguf"
            write_as(arguments.file, file, kind)
            for row in compare(kind, file, arguments.rows, arguments.prompt, arguments.rounds):
                table.add_row(*row)
    console = Console(width=100)
    console.print(machine.describe())
    console.print(table)


def write_as(source: Path, target: Path, kind: str, changes: Mapping[str, object] | None = None) -> None:
    """The same model with its matrices in another type; what is no matrix is float32. changes: metadata to put in."""
    reader, wanted = gguf.GGUFReader(source), gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            element = field.types[-1] if field.types[0] is gguf.GGUFValueType.ARRAY else None
            value = (changes or {}).get(field.name, field.contents())
            writer.add_key_value(field.name, value, field.types[0], element)
    for tensor in reader.tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        floats = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
        type = wanted if floats.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, gguf.quants.quantize(floats, type), raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(kind: str, file: Path, rows: Sequence[int], prompt: int, rounds: int) -> list[list[str]]:
    """A line per number of rows, and one for the first token of one row, whose speeds are of prompt tokens."""
    from benchmarks.serving.llama_cpp_decoding import LlamaCpp  # a package that only this benchmark's session has

    context = max(prompt, SHORT) + NEW + 16
    ours = Jaxchat(file, context, tuple(sorted({1, *rows})), storage=KINDS[kind])
    lines = []
    for batch in rows:
        theirs = LlamaCpp("llama.cpp", file, batch, SHORT + NEW)
        speeds = [
            [side.generate(prompts, NEW).decode_rate for side in _rested(ours, theirs, turn)]
            for turn, prompts in enumerate(_prompts(file, rounds, batch, SHORT))
        ]
        theirs.close()
        lines.append([kind, str(batch), *_ratios(_straight(speeds))])
    theirs = LlamaCpp("llama.cpp", file, 1, context)
    speeds = [
        [prompt / float(side.generate(prompts, 2).arrivals[0, 0]) for side in _rested(ours, theirs, turn)]
        for turn, prompts in enumerate(_prompts(file, rounds, 1, prompt))
    ]
    theirs.close()
    return [*lines, [kind, f"1, {prompt} of prompt", *_ratios(_straight(speeds))]]


def _prompts(file: Path, rounds: int, rows: int, length: int) -> np.ndarray:
    """int [rounds + 1, rows, length]; the first round warms up."""
    vocabulary = len(gguf.GGUFReader(file).fields["tokenizer.ggml.tokens"].data)
    return np.random.default_rng(checkpoint.SEED).integers(3, vocabulary, size=(rounds + 1, rows, length))


def _rested(ours: Side, theirs: Side, turn: int) -> Iterator[Side]:
    """Both sides, in another order each turn; before each, the thread pools of the other have gone to sleep."""
    for side in (ours, theirs) if turn % 2 else (theirs, ours):
        time.sleep(PAUSE)
        yield side


def _straight(speeds: list[list[float]]) -> list[tuple[float, float]]:
    """(ours, theirs) of every round but the first."""
    return [(a, b) if turn % 2 else (b, a) for turn, (a, b) in enumerate(speeds)][1:]


def _ratios(speeds: list[tuple[float, float]]) -> list[str]:
    ours, theirs = zip(*speeds, strict=True)
    ratios = sorted(a / b for a, b in speeds)
    return [
        f"{median(ours):.1f}",
        f"{median(theirs):.1f}",
        *(f"{x:.2f}" for x in (median(ratios), ratios[0], ratios[-1])),
    ]


if __name__ == "__main__":
    main()
