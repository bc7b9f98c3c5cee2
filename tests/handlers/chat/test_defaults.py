"""What a checkpoint recommends holds where a request names no parameter, if the server was told so."""

import json
import logging

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generated.models import ContainerChatCompletionBody
from handlers.chat.defaults import sampling_defaults
from handlers.generation.sampling import sampling_params
from handlers.loaded import LoadedModel

USER = {"role": "user", "content": "Hi"}
RECOMMENDED = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}
CASES = st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in RECOMMENDED.items()})


@pytest.fixture
def checkpoint(tmp_path):
    """A folder whose generation_config.json has this text, or these values."""

    def write(config):
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "generation_config.json").write_text(text)
        return tmp_path

    return write


def test_auto_takes_what_the_checkpoint_recommends_and_nothing_else_of_it(checkpoint, caplog):
    caplog.set_level(logging.INFO)
    others = {"do_sample": True, "max_new_tokens": 5, "eos_token_id": 2, "transformers_version": "5.0"}
    assert sampling_defaults("auto", checkpoint({**RECOMMENDED, **others}), "some-model") == RECOMMENDED
    assert "temperature 0.6, top_p 0.95, top_k 20, min_p 0.05, repetition_penalty 1.1" in caplog.text


@pytest.fixture
def gguf_file(tmp_path):
    """A GGUF file of these key-values."""

    def write(**values):
        writer = gguf.GGUFWriter(tmp_path / "Model.gguf", "llama")
        for key, value in values.items():
            add = writer.add_int32 if isinstance(value, int) else writer.add_float32
            add(f"general.sampling.{key}", value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return tmp_path / "Model.gguf"

    return write


def test_of_a_gguf_file_its_key_values_are_taken(gguf_file, caplog):
    caplog.set_level(logging.INFO)
    keys = {"temp": 0.625, "top_p": 0.875, "top_k": 20, "min_p": 0.0625, "penalty_repeat": 1.125}
    xtc = {"xtc_threshold": 0.125, "xtc_probability": 0.5}
    assert sampling_defaults("auto", gguf_file(**keys, **xtc, penalty_last_n=64), "some-model") == {
        "temperature": 0.625, "top_p": 0.875, "top_k": 20, "min_p": 0.0625, "repetition_penalty": 1.125, **xtc,
    }  # fmt: skip
    assert "temperature 0.625" in caplog.text and "from Model.gguf" in caplog.text


def test_a_gguf_file_may_recommend_nothing(gguf_file):
    assert sampling_defaults("auto", gguf_file(), "some-model") == {}


def test_a_wrong_value_in_a_gguf_file_is_named_by_its_key(gguf_file):
    with pytest.raises(ValueError, match=r"Model\.gguf: general\.sampling\.temp is -1\.0: "):
        sampling_defaults("auto", gguf_file(temp=-1.0), "some-model")


def test_of_a_bundled_model_whose_file_says_nothing_the_makers_are_taken(gguf_file, caplog):
    caplog.set_level(logging.INFO)
    assert sampling_defaults("auto", gguf_file(), "smollm2") == {"temperature": 0.2, "top_p": 0.9}
    assert "temperature 0.2, top_p 0.9, from smollm2's model card" in caplog.text
    assert sampling_defaults("none", gguf_file(), "smollm2") == {}
    assert sampling_defaults("auto", gguf_file(temp=0.5), "smollm2") == {"temperature": 0.5}


def test_null_recommends_nothing(checkpoint):
    assert sampling_defaults("auto", checkpoint({"temperature": None, "top_k": 5}), "some-model") == {"top_k": 5}


def test_none_takes_nothing_and_says_what_auto_would_take(checkpoint, caplog):
    caplog.set_level(logging.INFO)
    assert sampling_defaults("none", checkpoint({"temperature": 0.6}), "some-model") == {}
    assert "the API document's; generation_config.json recommends temperature 0.6" in caplog.text


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_checkpoint_may_recommend_nothing(tmp_path, caplog, choice):
    caplog.set_level(logging.INFO)
    assert sampling_defaults(choice, tmp_path, "some-model") == {}
    assert "sampling defaults: the API document's" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, value) for key in RECOMMENDED for value in (-1, "0.5", True, [1], float("nan"), float("inf"))],
        ("top_k", 20.5),
        ("top_k", 2**31),
        ("top_p", 0),
        ("top_p", 1.5),
        ("min_p", 1.5),
        ("repetition_penalty", 0),
    ],
)
def test_what_no_request_may_say_no_checkpoint_may_recommend(checkpoint, key, value):
    with pytest.raises(ValueError, match=f"generation_config.json: {key} is .*--generation-config none") as caught:
        sampling_defaults("auto", checkpoint({**RECOMMENDED, key: value}), "some-model")
    assert not any(f"{other} is" in str(caught.value) for other in RECOMMENDED if other != key)


def test_what_is_wrong_is_no_matter_where_it_is_not_taken(checkpoint):
    assert sampling_defaults("none", checkpoint({"temperature": -1}), "some-model") == {}


@pytest.mark.parametrize(("text", "fault"), [("{", "is not valid JSON"), ("[]", "must hold a JSON object, not list")])
def test_a_file_that_is_none_is_an_error(checkpoint, text, fault):
    with pytest.raises(ValueError, match=f"generation_config.json {fault}"):
        sampling_defaults("auto", checkpoint(text), "some-model")


@given(defaults=CASES, named=CASES)
def test_a_request_goes_before_the_checkpoint_and_that_before_the_document(defaults, named):
    named = {name: value / 2 if name != "top_k" else 3 for name, value in named.items()}
    ends = {"max_tokens": 9, "end_tokens": (1,)}
    params = sampling_params(ContainerChatCompletionBody(messages=[USER], **named), **ends, defaults=defaults)
    assert params == sampling_params(ContainerChatCompletionBody(messages=[USER], **{**defaults, **named}), **ends)


def test_defaults_of_the_model_reach_the_engine_unless_a_request_says_otherwise(fakes):
    engine = fakes.Engine()
    parts = LoadedModel(
        engine, fakes.Tokenizer(), fakes.Compiler(), sampling_defaults={"temperature": 0.25, "top_k": 7}
    )
    with fakes.connected(load=lambda: parts) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        for parameters in ({}, {"temperature": None, "top_k": 0}):
            body = {"messages": [USER], "max_tokens": 1, **parameters}
            assert app.client.post("/v1/chat/completions", json=body).status_code == 200
    drawn = [generation.request.sampling for generation in engine.generations]
    assert [(sampling.temperature, sampling.top_k) for sampling in drawn] == [(0.25, 7), (0.25, 0)]
