"""The decoding benchmark: its arguments, and what it says where it can tell nothing."""

import numpy as np
import pytest

from benchmarks import decode
from benchmarks.timeline import Timeline


def test_more_tokens_are_asked_for_where_no_speed_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one_token = Timeline(np.zeros((1, 1), int), np.ones((1, 1)))
    monkeypatch.setattr(decode, "run", lambda plan, command: one_token.decode_rate)
    with pytest.raises(SystemExit, match=r"--new 1: .* ask for more new tokens"):
        decode.main(["--new", "1"])


def test_a_batch_needs_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        decode.main(["--rows", "0"])
    assert "--rows: 0 is below 1" in capsys.readouterr().err
