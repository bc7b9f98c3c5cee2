"""The settings of a model reach the engine, and what answers are made with."""

from types import SimpleNamespace

import pytest

from backend import PoolingConfig
from backend.grammar import Alphabet
from handlers.cli.loading import load
from handlers.formats.syntax import Format
from handlers.loaded import PoolingModel
from handlers.settings import ServeSettings
from handlers.text.chat_templates import read_chat_template


@pytest.fixture
def parts(monkeypatch, fakes, tmp_path):
    """Stand-ins for all that takes long. `.options` of the engine; of what the tokenizer (`.read`) and the compiler
    (`.compiled`) were made. `.pooling` is what the checkpoint makes of texts in place of tokens."""
    tokenizer = SimpleNamespace(vocabulary=lambda: [b"", b"a", b"ab"], format=Format(), tools_as_text=())
    parts = SimpleNamespace(engine=fakes.Engine(), tokenizer=tokenizer, path=tmp_path, options=[], read=[], compiled=[])
    parts.pooling = None
    compiler = SimpleNamespace(warm=lambda: None)
    monkeypatch.setattr("backend.load_engine", lambda options, *_: parts.options.append(options) or parts.engine)
    monkeypatch.setattr("backend.pooling_of", lambda path: parts.pooling)
    monkeypatch.setattr("backend.resolve_checkpoint", lambda options: tmp_path)
    monkeypatch.setattr("handlers.text.tokenizer.ChatTokenizer", lambda *given: parts.read.append(given) or tokenizer)
    monkeypatch.setattr("handlers.text.text_tokenizer.TextTokenizer", lambda path: parts.read.append(path) or tokenizer)
    monkeypatch.setattr(
        "backend.grammar.Compiler", lambda *given, **named: parts.compiled.append((*given, named)) or compiler
    )
    return parts


def test_every_setting_of_the_model_reaches_the_engine(parts):
    settings = {"memory_fraction": 0.25, "kv_cache_tokens": 512, "deterministic": True, "max_queue": 7, "revision": "r"}
    settings |= {"cuda_graphs": True}
    formats = {"tool_format": "hermes", "reasoning_format": "think", "chat_template": "chatml"}
    (parts.path / "generation_config.json").write_text('{"temperature": 0.5}')
    loaded = load(ServeSettings(**settings, **formats, parse_reasoning=True, generation_config="auto"))
    assert loaded.engine is parts.engine and loaded.parse_reasoning and loaded.format is parts.tokenizer.format
    assert parts.read == [(parts.path, read_chat_template("chatml"), "hermes", "think")]
    assert loaded.sampling_defaults == {"temperature": 0.5}
    assert {name: getattr(parts.options[0], name) for name in settings} == settings


def test_grammars_are_compiled_for_what_the_tokens_can_write(parts):
    load(ServeSettings(grammar_cache=parts.path))
    assert parts.compiled == [(parts.path, Alphabet(b"a"), {"whitespace": "model", "bounded_numbers": True})]


def test_the_look_of_json_is_what_the_settings_say(parts):
    load(ServeSettings(json_whitespace="compact", json_numbers="any"))
    assert parts.compiled[0][-1] == {"whitespace": "compact", "bounded_numbers": False}


@pytest.mark.parametrize(
    ("template", "as_text", "said"),
    [
        (None, (), ["chat template: the checkpoint's own", "answers: tool calls as none, reasoning as none"]),
        ("chatml", ("tools", "calls"), ["chat template: chatml", "tools: the template has no place for tools, calls"]),
    ],
)
def test_the_log_says_which_template_is_used_and_what_of_tools_is_text(parts, caplog, template, as_text, said):
    parts.tokenizer.tools_as_text = as_text
    with caplog.at_level("INFO"):
        load(ServeSettings(chat_template=template))
    assert all(any(line in message for message in caplog.messages) for line in said)
    assert any("no place for" in message for message in caplog.messages) == bool(as_text)


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        (PoolingConfig("mean", 64, normalize=True), "task: embed, 64 numbers of length 1 by mean pooling"),
        (PoolingConfig("lasttoken", 64, labels=("a", "b"), scores="softmax"), "task: classify, 2 classes"),
    ],
)
def test_what_draws_no_tokens_needs_no_template_and_no_compiler(parts, caplog, pooling, said):
    parts.pooling = pooling
    with caplog.at_level("INFO"):
        loaded = load(ServeSettings())
    assert loaded == PoolingModel(parts.engine, parts.tokenizer, pooling)
    assert parts.read == [parts.path] and parts.compiled == [] and len(parts.options) == 1
    assert any(said in message for message in caplog.messages)
