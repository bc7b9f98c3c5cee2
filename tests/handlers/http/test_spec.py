"""Connexion takes the merged 3.1 document as it is."""

import copy

import jsonschema_rs
import pytest
import yaml
from connexion.exceptions import ResolverError
from connexion.spec import Specification
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from handlers.app import OPERATIONS, create_app
from handlers.http.spec import OpenAPI31Specification, load_document, use_openapi_31
from handlers.service import Acceptance, Service


@pytest.fixture(scope="module")
def document():
    return load_document()


def test_connexion_reads_the_document_as_3_1(document):
    use_openapi_31()
    assert isinstance(Specification.load(copy.deepcopy(document)), OpenAPI31Specification)


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_served_satisfies_the_3_1_meta_schema(strict):
    OpenAPIV31SpecValidator(load_document(strict)).validate()


def test_who_changes_a_document_changes_its_own(document):
    load_document()["paths"].clear()
    assert load_document() == document


def test_every_operation_has_a_handler_and_every_handler_an_operation(document):
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert sorted(operations) == sorted(OPERATIONS)


def test_an_operation_without_a_handler_fails_at_the_start(monkeypatch):
    monkeypatch.delitem(OPERATIONS, "getHealth")
    with pytest.raises(ResolverError, match="getHealth"), TestClient(create_app(Service(lambda: None, ["tiny"]))):
        pass


def test_every_error_status_has_a_json_body(document):
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
                if status >= "400":
                    assert "application/json" in response["content"], (operation["operationId"], status)


def test_the_documents_own_examples_are_valid(document):
    schemas = document["components"]["schemas"]
    post = document["paths"]["/v1/chat/completions"]["post"]
    answer = post["responses"]["200"]["content"]["application/json"]["examples"]["Example"]["value"]
    for name, value in {
        "ContainerChatCompletionBody": schemas["ContainerChatCompletionBody"]["example"],
        "ContainerChatCompleteSuccess": answer,
    }.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(value)


def test_the_interactive_documentation_is_served(app):
    page = app.client.get("/ui/")
    assert page.status_code == 200 and "Swagger UI" in page.text
    assert "/openapi.json" in page.text


@pytest.mark.parametrize("strict", [False, True])
def test_the_document_is_shown_as_it_is_and_made_once(fakes, strict):
    with fakes.connected(acceptance=Acceptance(strict=strict)) as app:
        json, text = (app.client.get(f"/openapi.{kind}") for kind in ("json", "yaml"))
        assert json.json() == yaml.load(text.text, Loader=yaml.CSafeLoader) == load_document(strict)
        assert json.headers["content-type"] == "application/json" and text.headers["content-type"].startswith(
            "text/yaml"
        )
        for answer in (json, text):
            again = app.client.get(answer.url, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304 and app.client.head(answer.url).headers["etag"] == answer.headers["etag"]
            assert app.client.post(answer.url).headers["allow"] == "GET, HEAD"
