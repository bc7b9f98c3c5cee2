"""Every example runs as a user runs it, against the real server, and prints what it promises."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
CHECKED = {"batch", "chat", "stream", "structured", "tools"}


@pytest.fixture
def run(server):
    """`run("chat")`: the lines that the example prints; it must end well and print no warning."""

    def run(name: str) -> list[str]:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), server.url + "/v1"]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": ""}
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout.splitlines()

    return run


def test_each_example_is_checked_and_named_in_the_readme() -> None:
    assert {path.stem for path in EXAMPLES.iterdir() if path.suffix == ".py"} == CHECKED
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"examples/{name}.py" in readme for name in CHECKED)


def test_chat_remembers_the_turn_before(run) -> None:
    *turns, counts = run("chat")
    assert [line.split(":")[0] for line in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[-1] == "assistant: Your name is Ada."
    assert re.fullmatch(r"[1-9]\d* tokens read, [1-9]\d* written", counts)


def test_stream_prints_the_text_the_reason_and_the_counts(run) -> None:
    text, reason, counts = run("stream")
    assert text == "The capital of Norway is Oslo." and reason == "finish_reason: stop"
    assert re.fullmatch(r"[1-9]\d* tokens read, [1-9]\d* written", counts)


def test_tools_calls_both_functions_and_answers_from_their_results(run) -> None:
    lines = run("tools")
    assert [line.split(":")[0] for line in lines] == ["call", "result", "call", "result", "answer"]
    assert lines[0] == 'call:   get_weather({"city": "Paris"})' and lines[2] == 'call:   get_weather({"city": "Rome"})'
    for result in (lines[1], lines[3]):
        values = json.loads(result.removeprefix("result: ")).values()
        assert all(str(value) in lines[-1] for value in values)


def test_structured_gives_an_object_of_the_class(run) -> None:
    answer, sentence = run("structured")
    assert json.loads(answer) == {"name": "Frank", "age": 42, "city": "Oslo"}
    assert sentence == "Frank is 42 and lives in Oslo."


def test_batch_answers_every_question(run) -> None:
    *answers, total = run("batch")
    assert total.startswith(f"{len(answers)} answers, ") and len(answers) == 90
    for answer in answers:
        asked, capital = re.fullmatch(r".*capital of (\w+)[?.] The capital of (\w+ is \w+)\.", answer).groups()
        assert capital.split()[0] == asked
    assert "What is the capital of Kenya? The capital of Kenya is Nairobi." in answers
