"""An engine that is split over devices answers as one device does. Each case is a process with eight of them."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.backend.engine.split import LAYERS, VOCAB


def run(devices: int, kv_heads: int) -> dict[str, Any]:
    environment = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "PYTHONPATH": "."}
    command = [sys.executable, "-m", "tests.backend.engine.split", str(devices), str(kv_heads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, Any]) -> None:
    """The same tokens, log-probabilities within rounding; two sums a layer and one of embeddings, and nothing else."""
    for alone, together in zip(found["alone"], found["together"], strict=True):
        assert [[*event[:2], event[3]] for event in alone] == [[*event[:2], event[3]] for event in together]
        logprobs = ([event[2] for event in events if event[2] is not None] for events in (alone, together))
        np.testing.assert_allclose(*logprobs, rtol=1e-4, atol=1e-4)
    assert found["prefill"].keys() <= {"all-reduce"} and found["prefill"]["all-reduce"] <= 2 * LAYERS + 1
    assert 0 < found["gathered"] < VOCAB


@pytest.mark.timeout(450)
def test_a_mesh_answers_as_one_device_does_also_with_fewer_kv_heads_than_devices() -> None:
    found = run(8, 4)
    assert found["mesh"] == [4, 2]
    check(found)


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.parametrize(("devices", "kv_heads"), [(2, 8), (4, 4), (8, 8), (8, 1), (4, 2)])
def test_every_split_answers_as_one_device_does(devices: int, kv_heads: int) -> None:
    check(run(devices, kv_heads))
