"""Vercel's AI library on node, by its provider for servers like OpenAI's: text, streams, objects and tools."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.tools import FRANK, PERSON, THINKING, WEATHER, WEATHER_OF_ONE, tells

pytestmark = pytest.mark.clients

SCRIPT = Path(__file__).parent / "vercel" / "ask.mjs"
CAPITAL = "What is the capital of France?"
TOOLS = {
    "get_weather": {
        "description": "Get the current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "results": WEATHER,
    }
}


@pytest.fixture
def ask(url):
    """What the library gives for a question, asked in one of its ways."""

    def ask(way, question, **asked):
        asked = {"way": way, **asked, "settings": {"prompt": question, **asked.get("settings", {})}}
        command = ["node", str(SCRIPT), url]
        run = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=120)
        return json.loads(run.stdout)

    return ask


def test_text_is_the_same_whole_and_in_a_stream(ask):
    whole, stream = ask("generateText", CAPITAL), ask("streamText", CAPITAL)
    assert whole["text"] == stream["text"] == "".join(stream["deltas"]) and "Paris" in whole["text"]
    assert len(stream["deltas"]) > 3
    for found in (whole, stream):
        assert found["finishReason"] == "stop" and found["warnings"] == []
        assert found["usage"]["outputTokens"] == whole["usage"]["outputTokens"] > 3
        assert found["usage"]["inputTokens"] == whole["usage"]["inputTokens"] > 3


@pytest.mark.parametrize("way", ["generateText", "streamText"])
def test_what_cuts_an_answer_has_its_reason(ask, way):
    cut = ask(way, CAPITAL, settings={"maxOutputTokens": 2})
    stopped = ask(way, CAPITAL, settings={"stopSequences": [" is"]})
    assert cut["finishReason"] == "length" and cut["usage"]["outputTokens"] == 2
    assert stopped["finishReason"] == "stop" and " is" not in stopped["text"]


@pytest.mark.parametrize("way", ["generateObject", "streamObject"])
def test_an_object_of_a_zod_schema(ask, way):
    found = ask(way, PERSON)
    assert found["object"] == FRANK.model_dump()
    (body,) = found["bodies"]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert way == "generateObject" or found["partial"] > 1


def test_an_object_where_the_library_asks_for_any_json(ask):
    found = ask("generateObject", PERSON, structured=False)
    assert found["object"] == FRANK.model_dump()
    assert found["bodies"][0]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("way", ["generateText", "streamText"])
def test_tools_are_run_and_the_answer_is_of_their_results(ask, way):
    found = ask(way, WEATHER_OF_ONE, tools=TOOLS)
    called, answered = found["steps"]
    assert called == {"calls": [["get_weather", {"city": "Paris"}]], "finishReason": "tool-calls"}
    assert answered["calls"] == [] and tells(found["text"], WEATHER["Paris"])
    assert way == "generateText" or {"tool-call", "tool-result"} <= set(found["kinds"])


@pytest.mark.parametrize("way", ["generateText", "streamText"])
@pytest.mark.parametrize("choice", ["required", {"type": "tool", "toolName": "get_weather"}])
def test_a_call_that_must_come(ask, way, choice):
    found = ask(way, "Hello!", tools=TOOLS, steps=1, settings={"toolChoice": choice, "maxOutputTokens": 100})
    ((name, arguments), *_) = found["steps"][0]["calls"]
    assert name == "get_weather" and arguments.keys() == {"city"}


@pytest.mark.parametrize("way", ["generateText", "streamText"])
def test_reasoning(ask, way):
    found = ask(way, "What is 27 + 58?", body=THINKING)
    assert found["reasoning"] and found["text"] and "think>" not in found["text"]
    assert found["usage"]["reasoningTokens"] > 3


@pytest.mark.parametrize("way", ["generateText", "streamText", "generateObject"])
def test_an_error_keeps_its_message(ask, way):
    error = ask(way, CAPITAL, body={"top_k": -5})["error"]
    assert error["name"] == "AI_APICallError" and error["status"] == 422 and "top_k" in error["message"]
