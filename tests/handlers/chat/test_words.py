"""What a field is called: in the words of the API in which the request was sent."""

import pytest

from handlers.chat.words import VENDORED, Words

OWN = Words(
    {
        "messages": "input",
        "messages.0": "instructions",
        "messages.2.content": "input.1.content.0.content",
        "tools.0.function": "tools.0",
        "tools.0.function.parameters": "tools.0.input_schema",
    }
)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("messages", "input"),
        ("messages.0", "instructions"),
        ("messages.10.content", "input.10.content"),
        ("messages.2.content.1", "input.1.content.0.content.1"),
        ("tools.0.function.name", "tools.0.name"),
        ("tools.0.function.parameters.properties.a", "tools.0.input_schema.properties.a"),
        ("tools.1.function.name", "tools.1.function.name"),
        ("temperature", "temperature"),
        ("", ""),
    ],
)
def test_a_path_is_told_by_its_longest_beginning_that_has_another_name(path, told):
    assert OWN.told(path) == told
    assert VENDORED.told(path) == path
