"""The quick modes of the decoding and the serving benchmark, so that the scripts cannot rot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers.utils import logging as transformers_logging

from benchmarks import decode, media_embeddings, media_turns, start, trees
from benchmarks.serving import __main__ as serving

pytestmark = pytest.mark.slow


@pytest.fixture
def process_settings() -> Iterator[None]:
    """Puts back what the command sets for its whole process."""
    threads, verbosity = torch.get_num_threads(), transformers_logging.get_verbosity()
    yield
    torch.set_num_threads(threads)
    transformers_logging.set_verbosity(verbosity)
    transformers_logging.enable_progress_bar()


@pytest.mark.usefixtures("process_settings")
def test_decoding_compares_both_sides_on_the_same_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_serving_runs_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    serving.main(["--quick", "--sides", "jaxchat", "--json", str(file), "--plot", str(plot)])
    record, shown = json.loads(file.read_text()), capsys.readouterr().out
    assert set(serving.PARTS) < set(record)
    assert record["not in this run"].split(", ") == [side for side in serving.SIDES if side != "jaxchat"]
    assert shown.count("### ") == len(serving.PARTS) and "</svg>" in plot.read_text()
    for level in record["load"]:
        assert level["tokens"] == level["asked"] > 0 and level["same"] == 1.0 and level["memory"] > 50e6
    assert [level["streams"] for level in record["load"]] == [1, 4]
    first, second = record["scaling"]
    assert first["pool"] < second["pool"] and min(first["step"] + second["step"]) > 0
    assert all(0 < share < 1 for share in record["host"][0]["share"])
    applications = {(entry["streamed"], entry["side"]): entry["bytes"] for entry in record["http"]}
    assert applications[False, "bare route"] == applications[False, "ours, stub tokenizer"]
    assert applications[True, "bare route"] == applications[True, "ours, stub tokenizer"]
    assert record["prefix"][0]["cached"] >= 64


def test_a_start_is_told_by_its_phases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    start.main(["--json", str(file)])
    record, shown = json.loads(file.read_text()), capsys.readouterr().out
    for figures in record.values():
        whole = figures.pop("all")
        assert all(0 < row["seconds"] <= whole["seconds"] for row in figures.values())
        assert (
            sum(row["seconds"] for name, row in figures.items() if not name.startswith("of these")) <= whole["seconds"]
        )
        assert 0 < whole["resident"] <= whole["peak"] and shown.count("| all |") == 1
    assert record["warm"]["programs"]["processor"] < record["cold"]["programs"]["processor"]


@pytest.mark.parametrize("family", ["gemma4_unified", "qwen3_vl"])
def test_a_second_turn_with_a_picture_is_timed(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    media_turns.main(["--quick", "--rounds", "2", "--family", family, "--format", "JPEG"])
    shown = capsys.readouterr().out
    assert all(f"{name} turn" in shown for name in ("first", "second")) and "text alone" in shown


def test_embeddings_are_timed_beside_those_that_they_equal(capsys: pytest.CaptureFixture[str]) -> None:
    media_embeddings.main(["--quick", "--rounds", "1"])
    shown = capsys.readouterr().out
    assert [shown.count(name) for name in ("gemma4_unified", "qwen3_vl")] == [3, 2]


def test_a_checkout_is_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    here = Path(__file__).parents[2]
    trees.compare([here, here], "tiny", rows=2, tokens=16, turns=2, starts=2)
    head, first, second, *figures = capsys.readouterr().out.splitlines()
    assert first.startswith("start 1") and second.startswith("start 2"), head
    assert [line.split(":")[0] for line in figures] == ["decoding", "first", "processor"]
    assert all(float(line.split()[1]) > 0 for line in figures)
