"""Every benchmark starts, tells its arguments, and ends with its figures where it is asked for few."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for file in (ROOT / "benchmarks").rglob("*.py")
    if '__name__ == "__main__"' in file.read_text(encoding="utf-8")
)
ROWS = {
    "adapters --quick": ("none", "loaded, none used", "one", "8, by turns", "8, and half without"),
    "aot": ("v5e", "v6e", "v5p", "a100", "h100", "b200"),
    "constrained --quick --rounds 1": ("1", "8"),
    "fused_kernels --rows 1 --rounds 1": ("bundled model", "135 M", "1 B"),
    "media --rounds 1": ("JPEG", "PNG", "WEBP", "AVIF", "WAV", "MP3", "FLAC", "Opus", "H.264, 720p", "VP9, 720p"),
    "perplexity --windows 1 --sides none:float32 int8:auto:8": ("none:float32", "int8:auto:8"),
}
"""Commands, and the beginnings of lines that they print figures in. Others have tests of their own beside this file, or
want a peer that is not installed."""


def run(words: str) -> str:
    """What it prints, once it has ended well."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    command = [sys.executable, "-m", *words.split()]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_its_arguments_are_told_under_the_name_that_runs_it(script: str) -> None:
    assert run(f"{script} --help").startswith(f"usage: python -m {script} ")


@pytest.mark.parametrize("words", ROWS)
def test_every_row_has_figures(words: str) -> None:
    lines = [line.strip(" │") for line in run(f"benchmarks.{words}").splitlines()]
    for row in ROWS[words]:
        figures = [line.removeprefix(row) for line in lines if line.startswith(f"{row} ")]
        assert figures and all(any(character.isdigit() for character in figure) for figure in figures), row
