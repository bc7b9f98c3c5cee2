"""The examples of the served document, which Swagger UI offers to run: each is answered, and all in it has effect."""

import jsonschema_rs
import pytest

from handlers.http.spec import load_document
from tests.conformance.chat import DOCUMENT, read_error, strict

JSON = "application/json"
LOADING, KEPT, OTHERS = "adapter", "response_id", ("/v1/embeddings", "/classify")
"""What examples alone do not bring about: leave to load adapters, a response that is kept, models of another kind."""
STRICT = load_document(strict=True)


def operations(document):
    return [(path, m, op) for path, methods in document["paths"].items() for m, op in methods.items()]


def bodies(operation):
    """The examples of an operation's body by their names; None in place of a body where it has none."""
    content = operation.get("requestBody", {}).get("content", {JSON: {"examples": {"": {"value": None}}}})
    return {name: example["value"] for name, example in content[JSON]["examples"].items()}


def filled(path, operation, **given):
    """The path with the examples of its parameters."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            name = parameter["name"]
            path = path.replace("{" + name + "}", given.get(name, parameter["example"]))
    return path


def answered(client, document, path, method, operation, body, **given):
    """The response to an example, whose status the document has and whose JSON is of its schema."""
    response = client.request(method, filled(path, operation, **given), json=body)
    assert "x-ignored-parameters" not in response.headers
    told = operation["responses"][str(response.status_code)]
    if response.status_code < 400 and response.headers["content-type"] == JSON:
        schema = {**told["content"][JSON]["schema"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(strict(response.text))
    return response


CASES = [
    pytest.param(strictly, path, method, name, id=f"{'strict ' * strictly}{method} {path} {name}")
    for strictly, document in ((False, DOCUMENT), (True, STRICT))
    for path, method, operation in operations(document)
    for name in bodies(operation)
]


@pytest.mark.parametrize(("strictly", "path", "method", "name"), CASES)
def test_an_example_is_answered(client, strict_chat, strictly, path, method, name):
    document, client = (STRICT, strict_chat.client) if strictly else (DOCUMENT, client)
    operation = document["paths"][path][method]
    body = bodies(operation)[name]
    response = answered(client, document, path, method, operation, body)
    if LOADING in path:
        assert response.status_code == 403 and "--allow-adapter-loading" in read_error(response)["message"]
        return
    if path in OTHERS:
        assert response.status_code == 422 and read_error(response)["code"] == "unsupported_by_model"
        return
    if KEPT in path:
        assert response.status_code == 404 and read_error(response)["code"] == "response_not_found"
        kept = client.post("/v1/responses", json={"input": "Hi", "max_output_tokens": 3}).json()["id"]
        response = answered(client, document, path, method, operation, body, response_id=kept)
        if path.endswith("/cancel"):
            assert response.status_code == 400 and read_error(response)["code"] == "response_not_cancellable"
            return
    assert response.status_code == 200, response.text
    streamed = response.headers["content-type"].startswith("text/event-stream")
    assert streamed == bool(body and body.get("stream")) and "error" not in response.text[-300:].split("data: ")[-1]


def test_every_body_has_an_example_and_so_has_every_parameter_that_must_be_there():
    for document in (DOCUMENT, STRICT):
        for path, method, operation in operations(document):
            assert bodies(operation), (method, path)
            needed = [each for each in operation.get("parameters", []) if each.get("required")]
            assert all("example" in each for each in needed), (method, path)


def test_what_is_chosen_without_an_example_of_its_own_runs_too(client):
    example = DOCUMENT["components"]["schemas"]["ContainerChatCompletionBody"]["example"]
    assert client.post("/v1/chat/completions", json=example).status_code == 200
