"""The benchmark's quick mode, so that the script cannot rot."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.utils import logging as transformers_logging

from benchmarks import decode
from benchmarks.timeline import Timeline


@pytest.fixture
def process_settings() -> Iterator[None]:
    """Puts back what the command sets for its whole process."""
    threads, verbosity = torch.get_num_threads(), transformers_logging.get_verbosity()
    yield
    torch.set_num_threads(threads)
    transformers_logging.set_verbosity(verbosity)
    transformers_logging.enable_progress_bar()


@pytest.mark.usefixtures("process_settings")
def test_quick_mode_compares_both_sides_on_the_same_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    decode.main(["--quick", "--json", str(file)])
    record = json.loads(file.read_text())
    assert record["command"] == f"python -m benchmarks.decode --quick --json {file}"
    assert [result["rows"] for result in record["results"]] == [1, 4]
    for result in record["results"]:
        assert result["same_tokens"] == result["same_rows"] == 1.0
        rates = result["jaxchat"]["decode"], result["transformers"]["decode"]
        assert result["ratios"] == [ours / theirs for ours, theirs in zip(*rates, strict=True)]
        expected = record["step_bytes"] / record["bandwidth_limit"] * rates[0][0] / result["rows"]
        assert result["bandwidth"]["jaxchat"] == pytest.approx(expected)
    shown = capsys.readouterr().out
    assert all(heading in shown for heading in ("jaxchat", "transformers", "ratio", "GB/s"))


@pytest.mark.usefixtures("process_settings")
def test_more_tokens_are_asked_for_where_no_speed_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one_token = Timeline(np.zeros((1, 1), int), np.ones((1, 1)))
    monkeypatch.setattr(decode, "run", lambda plan, command: one_token.decode_rate)
    with pytest.raises(SystemExit, match=r"--new 1: .* ask for more new tokens"):
        decode.main(["--new", "1"])


def test_a_batch_needs_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        decode.main(["--rows", "0"])
    assert "--rows: 0 is below 1" in capsys.readouterr().err
