"""An engine that is split over devices answers as one device does. Each case is a process with eight of them."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from backend.sampling.logprobs import MAX_TOP
from tests.backend.engine.split import LAYERS, SIZES, VOCAB
from tests.compiling import on_devices


def run(groups: int, devices: int, kv_heads: int, seeds: int = 1) -> dict[str, Any]:
    """What `split.py` prints: groups of rows, devices of each, and how many sets of requests it answers."""
    command = [sys.executable, "-m", "tests.backend.engine.split", *map(str, (groups, devices, kv_heads, seeds))]
    done = subprocess.run(command, env=on_devices(8), capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    check(found, devices)
    return found


def check(found: dict[str, Any], devices: int) -> None:
    """The same tokens, log-probabilities within rounding; two sums a layer and one of embeddings, and nothing else.

    Of logits, a few candidates of each device at most; and groups of rows exchange nothing.
    """
    for alone, together in zip(found["alone"], found["together"], strict=True):
        assert [[*event[:2], event[3]] for event in alone] == [[*event[:2], event[3]] for event in together]
        logprobs = ([event[2] for event in events if event[2] is not None] for events in (alone, together))
        np.testing.assert_allclose(*logprobs, rtol=1e-4, atol=1e-4)
    assert found["prefill"].keys() <= {"all-reduce"} and found["prefill"].get("all-reduce", 0) <= 2 * LAYERS + 1
    assert found["gathered"] <= SIZES.rows * min(devices * MAX_TOP, VOCAB)
    assert bool(found["talking"]) == (devices > 1)
    assert all(len({device // devices for device in some}) == 1 for some in found["talking"])


@pytest.mark.timeout(900)
def test_a_mesh_answers_as_one_device_does_also_with_groups_and_fewer_kv_heads_than_devices() -> None:
    assert run(2, 4, kv_heads=2)["mesh"] == [2, 2, 2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("groups", "devices", "kv_heads"),
    [(1, 2, 8), (1, 4, 4), (1, 8, 8), (1, 8, 1), (1, 4, 2), (4, 2, 2), (8, 1, 4), (2, 2, 4), (3, 2, 1)],
)
def test_every_split_answers_as_one_device_does(groups: int, devices: int, kv_heads: int) -> None:
    run(groups, devices, kv_heads, seeds=4)
