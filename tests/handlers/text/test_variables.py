"""Levels of reasoning effort and switches, as real and made-up templates know them."""

import pytest

from handlers.text.template import probe_template
from handlers.text.variables import EFFORTS, TemplateVariables
from tests.handlers.text.test_template import REAL, renderer

CHAT = "{% for m in messages %}{{ m.content }}{% endfor %}"
RAISES = (
    "{% if reasoning_effort is defined and reasoning_effort not in ['none', 'high'] %}"
    "{{ raise_exception('only none and high') }}{% endif %}" + CHAT + "{{ reasoning_effort == 'high' }}"
)
ONLY_MAX = CHAT + "{% if reasoning_effort is defined and reasoning_effort == 'max' %}Think hard.{% endif %}"
ELSE_IS_HIGH = (
    CHAT + "{% if reasoning_effort == 'low' %}a{% elif reasoning_effort == 'medium' %}b{% else %}c{% endif %}"
)
BOTH = CHAT + "{{ reasoning_effort | default('medium') }}{% if enable_thinking is false %}</think>{% endif %}"
UNRELATED = CHAT + "{% if mood == 'max' or tool_choice == 'none' %}{{ mood }}{% endif %}"
GENERATION = CHAT + "{% generation %}{{ thinking }}{% endgeneration %}{% for m in messages %}{% break %}{% endfor %}"


def variables(template):
    render = renderer(template)
    return TemplateVariables([template], render, probe_template(render))


def levels(name, *values):
    return [{} if value is None else {name: value} for value in values]


SWITCHED = [{"enable_thinking": level != "none"} for level in EFFORTS]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (REAL["gptoss"], levels("reasoning_effort", "low", "low", "low", "medium", *["high"] * 4)),
        (REAL["qwen3"], SWITCHED),
        (REAL["glm4moe"], SWITCHED),
        (REAL["qwen2_5"], levels("", *[None] * 8)),
        (RAISES, levels("reasoning_effort", "none", *["high"] * 7)),
        (ONLY_MAX, levels("reasoning_effort", *[None] * 5, "max", "max", "max")),
        (ELSE_IS_HIGH, levels("reasoning_effort", "low", "low", "low", "medium", *[None] * 4)),
        (BOTH, [{"enable_thinking": False},
                *levels("reasoning_effort", "low", "low", "medium", "high", "high", "high", "high")]),
        (UNRELATED, levels("", *[None] * 8)),
        (GENERATION, [{"thinking": level != "none"} for level in EFFORTS]),
    ],
)  # fmt: skip
def test_a_level_becomes_the_nearest_that_the_template_knows(template, expected):
    assert [variables(template).effort(level) for level in EFFORTS] == expected


def test_only_a_switch_is_read_as_a_switch():
    known = variables(CHAT + "{{ mood }}{% if loud %}!{% endif %}")
    given = {"loud": "False", "mood": "sad", "other": "false", "number": 0}
    assert known.typed(given) == {**given, "loud": False}


def test_names_are_those_that_the_template_reads():
    names = variables("{% set own = 1 %}{% for m in messages %}{{ m.content }}{{ own }}{{ day }}{% endfor %}").names
    assert "day" in names and "own" not in names and "days" not in names
