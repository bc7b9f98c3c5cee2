"""The script for a device, rehearsed: every part ends by itself, and every kernel and text is right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from benchmarks.device.__main__ import PARTS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_part_of_the_script_for_a_device_runs_here(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    script = [str(ROOT / "benchmarks" / "device.sh"), str(tmp_path), "--rehearse"]
    ran = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    log = (tmp_path / "log.txt").read_text()
    assert [(name, part["exit status"]) for name, part in found.items()] == [(name, 0) for name in PARTS], log
    for part in found.values():
        assert part["device"] == jax.devices()[0].device_kind and part["rehearsal"]
    checked = [figures for part in found.values() for figures in part["figures"] if "passed" in figures]
    assert checked and all(figures["passed"] for figures in checked), checked
    for name in ("decode-1b", "decode-8b"):
        assert all(figures["times roofline"] > 0 for figures in found[name]["figures"][1:])
