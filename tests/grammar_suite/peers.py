"""llguidance as a judge of whole texts."""

import json
from typing import Any

from llguidance import LLMatcher, LLTokenizer

BYTES = LLTokenizer("byte")
OPTIONS = {
    "whitespace_flexible": False,
    "json_allowed_escapes": 'nrbtf\\"',
    "json_allow_general_unicode_escapes": False,
}


class Refused(Exception):
    """llguidance does not support the schema."""


class Judge:
    """Accepts or rejects compact texts by a JSON schema. Tokens are bytes, so no tokenizer has a say."""

    def __init__(self, schema: Any) -> None:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        if not isinstance(json.loads(text), dict):
            raise Refused("a schema that is no object")
        self._matcher = LLMatcher(BYTES, LLMatcher.grammar_from_json_schema(text, overrides=OPTIONS), log_level=0)
        if self._matcher.is_error():
            raise Refused(self._matcher.get_error())

    def accepts(self, text: bytes) -> bool:
        """Whether the whole text belongs to the language."""
        self._matcher.reset()
        taken = self._matcher.try_consume_tokens(list(text))
        return taken == len(text) and self._matcher.is_accepting()
