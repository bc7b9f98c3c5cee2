"""The merged OpenAPI 3.1 document, and what Connexion needs to take it as it is."""

import copy
from functools import cache
from importlib import resources
from typing import Any

import connexion.spec
import yaml


class OpenAPI31Specification(connexion.spec.OpenAPISpecification):
    """A document of 3.1, of which Connexion 3.3 knows no meta-schema.

    It is not checked: what is in `generated` was, when it was written, and checking takes most of a second.
    """

    @classmethod
    def _validate_spec(cls, spec: dict[str, Any]) -> None:
        pass


def use_openapi_31() -> None:
    """Makes Connexion read OpenAPI documents as 3.1, in this process."""
    # Specification.from_dict() looks the class up in its module and has no other way to be told.
    connexion.spec.OpenAPISpecification = OpenAPI31Specification


def load_document(strict: bool = False) -> dict[str, Any]:
    """The merged OpenAPI document of the server as plain values. strict: without what OpenAI's API has beyond it.

    Given to Connexion as a dict, because it would run a file through Jinja first.
    """
    return copy.deepcopy(_parsed(strict))


def document_text(strict: bool = False) -> bytes:
    """The same as the YAML that it is read from."""
    return resources.files("generated").joinpath("strict/openapi.yaml" if strict else "openapi.yaml").read_bytes()


@cache
def _parsed(strict: bool) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(document_text(strict), Loader=loader)
    return document
