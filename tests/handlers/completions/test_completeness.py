"""No field of a body for completions is silently dropped: each is acted on, refused by name, or named as ignored.

A field that the document gains fails the first test until it has an entry here.
"""

import pytest

from generated.models import ContainerCompletionsBody
from tests.handlers.completeness import acts, bundled, check, documented, fields_of, ignored, refused, send

IDS = {"prompt": None, "tokens": [70, 71]}
ENDS = {"prompt": [[70, 71], [72]]}
GRAMMAR = {"grammar": 'root ::= "a"'}
BODY = "ContainerCompletionsBody"


def response_format(kind, **fields):
    return {"response_format": {"type": kind, **fields}}


def json_schema(**fields):
    return response_format("json_schema", json_schema={"schema": {"type": "object"}, **fields})


CASES = {
    f"{BODY}.model": refused("model", {"model": "another"}),
    f"{BODY}.prompt": acts({"prompt": ["Bye", "Hi"]}),
    f"{BODY}.tokens": acts(IDS),
    f"{BODY}.max_tokens": acts({"max_tokens": 5}),
    f"{BODY}.max_total_tokens": acts({"max_total_tokens": 50}),
    f"{BODY}.min_tokens": acts({"min_tokens": 3}),
    f"{BODY}.min_total_tokens": acts({"min_total_tokens": 50}),
    f"{BODY}.n": acts({"n": 2}),
    f"{BODY}.seed": acts({"seed": 1}),
    f"{BODY}.temperature": acts({"temperature": 0.5}),
    f"{BODY}.top_k": acts({"top_k": 5}),
    f"{BODY}.top_p": acts({"top_p": 0.5}),
    f"{BODY}.min_p": acts({"min_p": 0.5}),
    f"{BODY}.xtc_threshold": acts({"xtc_threshold": 0.1}),
    f"{BODY}.xtc_probability": acts({"xtc_probability": 0.5}),
    f"{BODY}.repetition_penalty": acts({"repetition_penalty": 1.5}),
    f"{BODY}.presence_penalty": acts({"presence_penalty": 1.0}),
    f"{BODY}.frequency_penalty": acts({"frequency_penalty": 1.0}),
    f"{BODY}.no_repeat_ngram": acts({"no_repeat_ngram": 2}),
    f"{BODY}.bad_words": acts({"bad_words": ["there"]}),
    f"{BODY}.bad_word_tokens": acts({"bad_word_tokens": [{"tokens": [70, 71]}]}),
    f"{BODY}.forced_output_tokens": acts({"forced_output_tokens": [70, 71]}),
    f"{BODY}.eos_token": acts({"eos_token": [5]}),
    f"{BODY}.stop": acts({"stop": ["there"]}),
    f"{BODY}.stop_tokens": acts({"stop_tokens": "there"}),
    f"{BODY}.logprobs": acts({"logprobs": 2}),
    f"{BODY}.response_format": acts(response_format("json_object")),
    f"{BODY}.stream": acts({"stream": True}),
    f"{BODY}.stream_options": ignored("stream_options", {"stream_options": {}}),
    f"{BODY}.echo": acts({"echo": True}),
    f"{BODY}.logit_bias": acts({"logit_bias": {"5": 1.0}}),
    f"{BODY}.best_of": refused("best_of", {"best_of": 2}),
    f"{BODY}.suffix": refused("suffix", {"suffix": "."}),
    f"{BODY}.encoder_no_repeat_ngram": ignored("encoder_no_repeat_ngram", {"encoder_no_repeat_ngram": 2}),
    f"{BODY}.encoder_repetition_penalty": ignored("encoder_repetition_penalty", {"encoder_repetition_penalty": 2.0}),
    f"{BODY}.embedding_to_replace": refused("embedding_to_replace", {"embedding_to_replace": [0.5]}),
    f"{BODY}.token_index_to_replace": refused("token_index_to_replace", {"token_index_to_replace": [0]}),
    "TokenSequence.tokens": refused("stop_tokens.0.tokens", {"stop_tokens": [{}]}),
    "StreamOptions.include_usage": acts({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    "ResponseFormatText.type": acts(response_format("text"), response_format("json_object")),
    "ResponseFormatJsonObject.type": acts(response_format("json_object"), response_format("text")),
    "ResponseFormatRegex.type": acts(response_format("regex", schema="a"), response_format("json_object", schema="a")),
    "ResponseFormatRegex.schema": acts(response_format("regex", schema="a"), response_format("regex", schema="b")),
    "ResponseFormatGrammar.type": acts(
        response_format("grammar", **GRAMMAR), response_format("json_object", **GRAMMAR)
    ),
    "ResponseFormatGrammar.grammar": acts(
        response_format("grammar", **GRAMMAR), response_format("grammar", grammar='root ::= "b"')
    ),
    "ResponseFormatGrammar.syntax": acts(
        response_format("grammar", **GRAMMAR, syntax="gbnf"), response_format("grammar", **GRAMMAR, syntax="lark")
    ),
    "ResponseFormatGrammar.max_recursion": acts(
        response_format("grammar", **GRAMMAR, max_recursion=2), response_format("grammar", **GRAMMAR)
    ),
    "ResponseFormatJsonSchema.type": acts(json_schema(), response_format("json_object", json_schema={"schema": {}})),
    "ResponseFormatJsonSchema.json_schema": acts(json_schema(schema={"type": "array"}), json_schema()),
    "ResponseFormatJsonSchemaSchema.schema": acts(json_schema(schema={"type": "array"}), json_schema()),
    "ResponseFormatJsonSchemaSchema.name": documented(json_schema(name="n"), json_schema()),
    "ResponseFormatJsonSchemaSchema.description": ignored(
        "response_format.json_schema.description", json_schema(description="d")
    ),
    "ResponseFormatJsonSchemaSchema.strict": documented(json_schema(strict=False), json_schema()),
}
FIELDS = fields_of(ContainerCompletionsBody, {})


@pytest.fixture(scope="module")
def ask(fakes):
    """Sends parameters beside a prompt."""
    with bundled(fakes) as app:
        there = [{"tokens": app.tokenizer.encode_text(" there", begins=False)}]

        def ask(given):
            stops = {"stop_tokens": there} if given.get("stop_tokens") == "there" else {}
            return send(app, "/v1/completions", {"prompt": "Hi", "seed": 0, **given, **stops})

        yield ask


def test_every_field_of_a_body_for_completions_has_a_case():
    assert set(CASES) == set(FIELDS)


@pytest.mark.parametrize("field", CASES)
def test_a_field_of_completions_is_acted_on_or_refused_or_named(ask, field):
    check(ask, field, CASES[field], FIELDS)
