"""A field that one endpoint or document knows may hold anything where another does not know it."""

import pytest

import generated.models
import generated.strict.models
from handlers.service import Acceptance

USER = {"role": "user", "content": "Hi"}
BODIES = {
    "/v1/chat/completions": ("ContainerChatCompletionBody", {"messages": [USER]}),
    "/v1/chat/render": ("ContainerChatCompletionBody", {"messages": [USER]}),
    "/v1/completions": ("ContainerCompletionsBody", {"prompt": "Hi"}),
    "/v1/messages": ("ContainerMessagesBody", {"messages": [USER], "max_tokens": 9}),
    "/v1/messages/count_tokens": ("MessagesPrompt", {"messages": [USER]}),
    "/v1/responses": ("ContainerResponsesBody", {"input": "Hi"}),
}


def fields_of(model):
    return {field.alias or name for name, field in model.model_fields.items()}


ALL = frozenset().union(*(fields_of(getattr(generated.models, kind)) for kind, _ in BODIES.values()))


@pytest.fixture(scope="module", params=[False, True], ids=["", "strict"])
def served(request, fakes):
    with fakes.connected(acceptance=Acceptance(strict=request.param)) as app:
        yield app, generated.strict.models if request.param else generated.models


@pytest.mark.parametrize("path", BODIES)
def test_fields_that_only_others_know_may_hold_anything(served, path):
    app, models = served
    kind, body = BODIES[path]
    unknown = ALL - fields_of(getattr(models, kind))
    for value in (5, True, 1.5, "x" * 3000, [5], [[None]], [{}], {"a": 5}):
        response = app.client.post(path, json={**body, **dict.fromkeys(unknown, value)})
        assert response.status_code == 200, (value, response.text)
        assert response.headers["x-ignored-parameters"]
