"""Chat templates that take time or memory without end: the rendering ends, the process that asked does not notice."""

import os
import signal
import threading

import pytest

from handlers.text.rendering import Renderers, RenderingLimits, TemplateRefused
from handlers.text.template import PromptError, RenderingExceeded
from handlers.text.tokenizer import TEMPLATE_CHARACTERS, ChatTokenizer
from tests.handlers.text.test_tokenizer import save_byte_level, user

CHAT = "{% for m in messages %}{{ m.content }}{% endfor %}"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HOSTILE = {
    "nested loops": LOOPS,
    "a power": "{{ 10 ** (10 ** 10) }}",
    "a constant text": "{{ 'a' * 10 ** 10 }}",
    "a text": "{% set n = messages|length %}{{ 'a' * (n * 10 ** 10) }}",
    "a width": "{{ '%9999999999d' % 1 }}",
    "a filter": "{{ 'a'|center(10 ** 10) }}",
    "doubling": "{% set s = namespace(t='a') %}{% for i in range(99) %}{% set s.t = s.t ~ s.t %}{% endfor %}",
    "a long text": "{{ 'a' * 10 ** 7 }}",
}
LIMITS = RenderingLimits(seconds=1, memory=128 << 20)


@pytest.fixture(scope="module")
def renderers():
    return Renderers(1, LIMITS)


@pytest.fixture
def limited(renderers, monkeypatch):
    """The limits of tests for what tokenizers render."""
    monkeypatch.setattr("handlers.text.tokenizer.renderers", lambda: renderers)
    monkeypatch.setattr("handlers.text.variables.renderers", lambda: renderers)


def render(renderers, template, content="numbat", **variables):
    return renderers.render(chat_template=template, conversations=[[{"role": "user", "content": content}]], **variables)


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_what_takes_too_much_is_ended_and_the_next_is_rendered(renderers, template):
    with pytest.raises(RenderingExceeded, match="takes too much (time|memory|length)"):
        render(renderers, template)
    assert render(renderers, CHAT) == "numbat"


def test_names_are_found_without_evaluating_without_end(renderers):
    assert renderers.names([CHAT + "{{ mood }}", "{{ tone }}"]) == {"messages", "mood", "tone"}
    with pytest.raises(RenderingExceeded):
        renderers.names([HOSTILE["a power"]])


def test_what_a_template_raises_is_told_and_cut(renderers):
    with pytest.raises(TemplateRefused, match="no wombats"):
        render(renderers, "{{ raise_exception('no wombats') }}")
    with pytest.raises(TemplateRefused) as caught:
        render(renderers, "{{ raise_exception('a' * 100000) }}")
    assert len(str(caught.value)) <= 2000
    with pytest.raises(TemplateRefused, match="nested too deeply"):
        render(renderers, "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")


def test_long_chats_have_long_texts(renderers):
    text = "numbat\n" * 400_000
    assert render(renderers, CHAT, text) == text


@pytest.mark.parametrize("template", ["nested loops", "a text", "a long text"])
def test_a_checkpoint_with_such_a_template_is_one_error(limited, tmp_path, template):
    with pytest.raises(ValueError, match="the chat template takes too much"):
        ChatTokenizer(save_byte_level(tmp_path, HOSTILE[template]))


def test_a_template_that_takes_too_much_of_one_chat_only_refuses_that(limited, tmp_path):
    trap = "{% if messages[0].content == 'trap' or mood is defined %}" + LOOPS + "{% endif %}" + CHAT
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, trap))
    for messages, variables in ([user("trap")], {}), ([user("numbat")], {"mood": "true"}):
        with pytest.raises(PromptError, match="takes too much time"):
            tokenizer.encode_chat(messages, tools=None, template_kwargs=variables, reasoning_effort=None)
    prompt = tokenizer.encode_chat([user("numbat")], tools=None, template_kwargs={}, reasoning_effort=None)
    assert tokenizer.decode_tail(prompt) == "numbat"


def test_a_template_of_megabytes_is_refused_before_it_is_read(tmp_path):
    with pytest.raises(ValueError, match="the chat template has 1,048,5"):
        ChatTokenizer(save_byte_level(tmp_path, CHAT + "a" * (TEMPLATE_CHARACTERS - len(CHAT) + 1)))


def test_a_process_that_was_killed_is_replaced(renderers):
    render(renderers, CHAT)
    os.kill(renderers.processes[0], signal.SIGKILL)
    assert render(renderers, CHAT) == "numbat"


def test_a_process_that_is_stopped_holds_nobody_for_ever():
    renderers = Renderers(1, RenderingLimits(wall_seconds=5))
    render(renderers, CHAT)
    stopped = renderers.processes[0]
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(RenderingExceeded, match="too much time"):
        render(renderers, CHAT)
    assert render(renderers, CHAT) == "numbat" and renderers.processes != [stopped]


def test_many_render_at_a_time_and_each_has_its_own_text():
    renderers = Renderers(2)
    texts = {}
    threads = [
        threading.Thread(target=lambda name=str(number): texts.update({name: render(renderers, CHAT, name)}))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {str(number): str(number) for number in range(20)}
    assert 1 <= len(renderers.processes) <= 2
