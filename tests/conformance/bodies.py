"""Hypothesis strategies for valid bodies: every parameter that changes what is drawn, and answers of a few tokens."""

from typing import Any

from hypothesis import strategies as st

END, VOCAB = 2, 1536  # of the bundled model: <|im_end|> ends an answer
TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"leaf": {"type": "boolean"}, "sons": {"items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
            "required": ["leaf"],
        }
    },
}
"""A schema that recurs."""
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ORDINARY = st.integers(20, VOCAB - 1)  # tokens with text
SEEDS = st.integers(-(2**63), 2**64 - 1)
TEXTS = st.sampled_from(["Hello!", "What is 2 + 3?", "Blåbærgrød 東京 🙂?", ""]) | st.text(max_size=20)
SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 3),
    "top_k": st.integers(0, VOCAB),
    "top_p": st.floats(0, 1, exclude_min=True),
    "min_p": st.floats(0, 1),
    "xtc_threshold": st.floats(0, 1),
    "xtc_probability": st.floats(0, 1),
    "repetition_penalty": st.floats(0.1, 3),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logit_bias": st.dictionaries(st.integers(0, VOCAB - 1).map(str), st.floats(-100, 100), max_size=4),
    "eos_token": st.lists(st.integers(0, VOCAB - 1), max_size=4),
}
FORMATS = (
    {"type": "text"},
    {"type": "json_object"},
    {"type": "regex", "schema": "[a-z ]{2,6}|Hello!?"},
    {"type": "regex", "schema": "(no )*"},
    {"type": "grammar", "grammar": 'root ::= "(" root ")" | root "+" root | [0-9]'},
    {"type": "json_schema", "json_schema": {"schema": {"type": "array", "items": {"enum": [1, "é🙂", None]}}}},
    {"type": "json_schema", "json_schema": {"schema": {"properties": {"a": {"type": "string", "maxLength": 4}}}}},
)
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["tiny", ""]),
    "stop": st.lists(st.sampled_from(["e", " ", "lo! H", "an I", "?", "\n", "🙂"]), max_size=3),
    "logprobs": st.booleans(),
    "tools": st.sampled_from([[], [TOOL]]),
    "response_format": st.sampled_from(FORMATS),
    "chat_template_kwargs": st.dictionaries(st.sampled_from(["enable_thinking", "other"]), st.booleans()),
    "parallel_tool_calls": st.booleans(),
    "parse_reasoning": st.booleans(),
    "include_reasoning": st.booleans(),
    "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
    "reasoning_budget": st.integers(-1, 100),
    "user": st.text(max_size=5),  # a field that the document does not know
}


@st.composite
def bodies(draw: st.DrawFn, most_choices: int = 3) -> dict[str, Any]:
    """A valid body, not streamed; with a seed, so that it always says the same."""
    body = draw(st.fixed_dictionaries({}, optional=SAMPLING | OTHERS))
    n = body["n"] = draw(st.integers(1, most_choices))
    most = body["max_tokens"] = draw(st.integers(1, 12))
    body["seed"] = draw(SEEDS | st.lists(SEEDS, min_size=n, max_size=n))
    body["messages"] = [{"role": "user", "content": draw(TEXTS)}]
    if body.get("logprobs"):
        body["top_logprobs"] = draw(st.none() | st.integers(0, 20))
    formatted = body.get("tools") or body.get("response_format", {"type": "text"})["type"] != "text"
    if formatted or body.get("reasoning_budget", -1) >= 0:
        body.pop("eos_token", None)  # it may be a token without which nothing in the form can be written
    if body.get("tools"):
        body.pop("response_format", None)
    elif "response_format" not in body:
        body["min_tokens"] = draw(st.none() | st.integers(0, most))
    return body
