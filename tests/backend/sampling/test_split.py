"""Log-probabilities and thresholds over a vocabulary that is split are those of a whole one, and no logits are sent."""

import json
import subprocess
import sys

from tests.backend.sampling.split import ROWS, VOCAB
from tests.compiling import on_devices

DEVICES, GROUPS = 8, 2


def test_what_devices_exchange_of_a_split_vocabulary_does_not_grow_with_it() -> None:
    """Values are compared in the process itself, ties and tokens that are out among them."""
    command = [sys.executable, "-m", "tests.backend.sampling.split"]
    done = subprocess.run(command, env=on_devices(DEVICES), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    candidates = ROWS // GROUPS * DEVICES // GROUPS * found["top"]
    assert found["scored"].keys() == {"all-reduce", "all-gather"} and found["scored"]["all-gather"] == candidates
    assert candidates < ROWS // GROUPS * VOCAB
    # Of a digit of four bits, fifteen sums a row and filter.
    assert found["taken"].keys() == {"all-reduce"} and found["taken"]["all-reduce"] <= ROWS // GROUPS * 15
