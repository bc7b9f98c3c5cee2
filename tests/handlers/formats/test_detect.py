"""Formats told from real chat templates, tokens and response templates, and named."""

import json
from importlib.metadata import files
from pathlib import Path

import pytest

from handlers.formats.detect import detect, named
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format, ReasoningSyntax

REAL = {path.stem: path.locate().read_text() for path in files("trl") if path.name.endswith(".jinja")}
DATA = Path(__file__).parents[2] / "data"
RESPONSES = json.loads((DATA / "response_templates.json").read_text())
TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"

NONE = ("none", "none")
EXPECTED = {
    "cohere": NONE,
    "cohere2": NONE,
    "deepseek_r1_distill": ("deepseek-v3", "think"),
    "deepseekv3": ("deepseek-v3", "think"),
    "diffusion_gemma": ("gemma4", "gemma4"),
    "gemma": NONE,
    "gemma3": NONE,
    **{f"gemma4{version}": ("gemma4", "gemma4") for version in ("", "_v2", "_v3", "_v4", "_v5")},
    "glm4moe": ("glm4", "think"),
    "gptoss": ("harmony", "harmony"),
    "idefics3": NONE,
    "lfm2": NONE,
    "lfm2_v2": ("lfm2", "none"),
    **{f"lfm2_2_5{version}": ("lfm2", "think") for version in ("", "_v2", "_vl")},
    "llama3": NONE,
    "llama3_1": ("llama3", "none"),
    "llama3_2": ("llama3", "none"),
    "llava_next": NONE,
    "muse_glimmer": NONE,
    **{f"nemotron_3_{size}": ("qwen3-coder", "think") for size in ("5_lightning", "nano", "super", "ultra")},
    "phi3": NONE,
    "phi3_5": NONE,
    "qwen2_5": ("hermes", "none"),
    "qwen2_5_vl": NONE,
    "qwen3": ("hermes", "think"),
    "qwen3_instruct_2507": ("hermes", "none"),
    "qwen3_vl": ("hermes", "none"),
    **{f"qwen3_{version}": ("qwen3-coder", "think") for version in ("5_nothink", "5_think", "6", "8")},
    "smolvlm": NONE,
}


def names(format):
    assert format.tools == TOOL_SYNTAXES[format.tool_name]
    assert (format.flow == "channels") == (format.tool_name == "harmony")
    return format.tool_name, format.reasoning_name


def test_no_real_template_is_left_out():
    assert {name.removesuffix("_training") for name in REAL} == EXPECTED.keys()


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_templates(name):
    format = detect(REAL[name], [], None)
    assert names(format) == EXPECTED[name.removesuffix("_training")]
    assert format.reasoning == REASONING_SYNTAXES[format.reasoning_name]


@pytest.mark.parametrize(
    ("template", "tokens", "family"),
    [
        (REAL["lfm2"], ["<|im_end|>", "<|tool_call_start|>", "<|tool_call_end|>"], "lfm2"),
        (REAL["qwen2_5_vl"], ["<|im_end|>", "<tool_call>", "</tool_call>"], "hermes"),
        (REAL["qwen3_5_think"], ["<tool_call>", "</tool_call>", "<think>"], "qwen3-coder"),
        (REAL["llama3"], ["<|eot_id|>", "<|eom_id|>"], "none"),
        ("", ["<|python_start|>", "<|python_end|>"], "llama4"),
        ("[TOOL_CALLS] [", [], "mistral-list"),
        ("[TOOL_CALLS]' + name + '[ARGS]", [], "mistral"),
        ("<｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>", [], "deepseek-v3.1"),
        ("<function_calls>", [], "olmo3"),
        ("<｜DSML｜function_calls>", [], "deepseek-v3.2"),
        ("<|tool_calls_section_begin|><|tool_call_begin|>", [], "kimi-k2"),
        ("<minimax:tool_call>", [], "minimax-m2"),
        ("<start_function_call>call:", [], "functiongemma"),
    ],
)
def test_tokens_count_where_the_template_shows_no_calls(template, tokens, family):
    assert detect(template, tokens, None).tool_name == family


@pytest.mark.parametrize("family", sorted(RESPONSES))
def test_response_templates(family):
    expected = {"mistral": "mistral-list"}.get(family, family)  # nothing there says [ARGS]
    reasoning = RESPONSES[family]["fields"].get("reasoning_content", {}).get("open")
    format = detect("", [], RESPONSES[family])
    assert names(format)[0] == expected
    assert (format.reasoning and format.reasoning.open) == reasoning


def test_the_bundled_model():
    response = json.loads((TINY / "tokenizer_config.json").read_text())["response_template"]
    template = (TINY / "chat_template.jinja").read_text()
    assert names(detect(template, [], response)) == names(detect(template, [], None)) == ("hermes", "think")


def test_reasoning_markers_of_its_own():
    field = {"open": ["<reflect>", "<think>"], "close": "</reflect>", "content": "text"}
    format = detect(REAL["qwen3"], [], {"fields": {"reasoning_content": field}})
    assert format.reasoning == ReasoningSyntax("<reflect>", "</reflect>")
    assert names(format) == ("hermes", "own")
    assert named("glm4", None, format).reasoning == format.reasoning
    assert named(None, "think", format).reasoning == REASONING_SYNTAXES["think"]


@pytest.mark.parametrize("response", [{}, {"fields": 5}, {"fields": {"tool_calls": [[7]], "reasoning": "x"}}, None])
@pytest.mark.parametrize(
    "reasoning", [{}, {"open": "a"}, {"open": [], "close": "b"}, {"open_pattern": "a", "close": "b"}]
)
def test_an_odd_response_template_says_nothing(response, reasoning):
    if response and isinstance(response.get("fields"), dict):
        response["fields"]["reasoning_content"] = reasoning
    assert names(detect(REAL["qwen3"], [], response)) == ("hermes", "think")


def test_names_go_before_what_was_detected():
    detected = detect(REAL["qwen3"], [], None)
    assert named(None, None, detected) == detected
    assert names(named("glm4", None, detected)) == ("glm4", "think")
    assert names(named(None, "none", detected)) == ("hermes", "none")
    assert named("none", "none", detected) == Format()
    assert names(named("harmony", None, detected)) == ("harmony", "harmony")
    gptoss = detect(REAL["gptoss"], [], None)
    assert names(named("hermes", "think", gptoss)) == ("hermes", "think")
    assert named("none", None, gptoss).flow == "channels"


@pytest.mark.parametrize("which", [{"tools": "hermés"}, {"reasoning": "thinking"}])
def test_an_unknown_name_is_answered_with_the_known_ones(which):
    with pytest.raises(ValueError, match=rf"format '{next(iter(which.values()))}'; there are .*harmony, none"):
        named(which.get("tools"), which.get("reasoning"), Format())
