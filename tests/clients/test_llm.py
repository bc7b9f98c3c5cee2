"""The command `llm`: both of OpenAI's APIs, schemas, and functions that it runs itself."""

import json
import os
import subprocess
import sys

import pytest

from tests.clients.tools import FRANK, PERSON, WEATHER, WEATHER_OF_ONE, tells

pytestmark = pytest.mark.clients

QUESTION = "What is the capital of France?"
FUNCTIONS = f"""
def get_weather(city: str) -> dict:
    "Get the current weather in a city."
    return {WEATHER!r}[city]
"""


@pytest.fixture
def llm(url, tmp_path):
    """What the command prints of a prompt, without a folder of the user's."""

    def llm(*arguments):
        command = [sys.executable, "-m", "llm", "openai", "endpoint", url, "-m", "tiny", "-o", "temperature", "0"]
        environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
        done = subprocess.run([*command, *arguments], env=environment, capture_output=True, timeout=100, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return llm


def test_it_finds_the_model(llm):
    assert llm("--models").splitlines() == ["tiny"]


def test_an_answer_is_the_same_streamed_or_not_by_either_api(llm):
    ways = [(*api, *whole) for api in ((), ("--responses",)) for whole in ((), ("--no-stream",))]
    answers = {llm(QUESTION, *way) for way in ways}
    assert len(answers) == 1 and "Paris" in answers.pop()


@pytest.mark.parametrize("api", [(), ("--responses",)], ids=["chat", "responses"])
def test_a_schema_is_kept(llm, api):
    assert json.loads(llm(PERSON, "--schema", "name, age int, city", *api)) == FRANK.model_dump()


@pytest.mark.parametrize("api", [(), ("--responses",)], ids=["chat", "responses"])
@pytest.mark.parametrize("stream", [(), ("--no-stream",)], ids=["streamed", "whole"])
def test_its_functions_are_called_and_their_results_told(llm, api, stream):
    answer = llm(WEATHER_OF_ONE, "--functions", FUNCTIONS, *api, *stream)
    assert tells(answer, WEATHER["Paris"])
