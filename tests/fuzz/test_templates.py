"""Chat templates of whatever pieces: a text, what they raise, or more than a rendering may take."""

from contextlib import suppress

import pytest
from hypothesis import strategies as st

from handlers.text.rendering import Renderers, RenderingLimits, TemplateRefused
from handlers.text.template import RenderingExceeded

pytestmark = pytest.mark.fuzz

NAMES = [
    "messages", "message", "message.content", "loop", "tools", "a", "namespace(a=1)", "bos_token", "self",
    "cycler('a')",
]  # fmt: skip
LITERALS = [
    "1", "10 ** 5", "'a'", "[]", "{}", "none", "''", "'%s'", "messages[0]['content']", "range(9)", "10 ** 9",
]  # fmt: skip
FILTERS = [
    "tojson", "trim", "length", "list", "join", "upper", "replace('a','aa')", "center(99)", "indent(3)",
    "batch(2)", "slice(3)", "first", "map('length')", "selectattr('role')", "sort", "reverse", "string", "int",
    "unique", "sum", "items", "wordwrap(3)", "xmlattr", "format(1)", "pprint", "attr('x')",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "in", "is", "==", "<", "and", "or"]
expressions = st.recursive(
    st.sampled_from(NAMES + LITERALS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("{}|{}".format, inner, st.sampled_from(FILTERS)),
        st.builds("{}[{}]".format, inner, inner),
        st.builds(
            "{}.{}".format, inner, st.sampled_from(["items()", "split()", "content", "__class__", "format(1)", "a"])
        ),
    ),
    max_leaves=6,
)
templates = st.recursive(
    st.text(max_size=5) | st.builds("{{{{ {} }}}}".format, expressions),
    lambda inner: st.one_of(
        st.builds("{{% for a in {} %}}{}{{% endfor %}}".format, expressions, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, expressions, inner, inner),
        st.builds("{{% set a = {} %}}{}".format, expressions, inner),
        st.builds("{{% macro a(b) %}}{}{{% endmacro %}}{{{{ a({}) }}}}".format, inner, expressions),
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% generation %}}{}{{% endgeneration %}}".format, inner),
        st.builds("{{%- {} -%}}{}".format, st.text(max_size=5), inner),
    ),
    max_leaves=8,
)
CHAT = [{"role": "user", "content": "numbat"}, {"role": "assistant", "content": "quokka"}]


def test_a_template_makes_a_text_or_is_refused(fuzz) -> None:
    renderers = Renderers(1, RenderingLimits(seconds=1, memory=128 << 20))

    def check(template: str) -> None:
        with suppress(TemplateRefused, RenderingExceeded):
            assert isinstance(renderers.render(chat_template=template, conversations=[CHAT], tools=None), str)
        with suppress(TemplateRefused, RenderingExceeded):
            assert all(isinstance(name, str) for name in renderers.names([template]))

    fuzz(templates, check)
