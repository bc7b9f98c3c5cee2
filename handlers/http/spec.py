"""The merged OpenAPI 3.1 document, and what Connexion needs to take it as it is."""

from importlib import resources
from typing import Any

import connexion.spec
import yaml
from connexion.exceptions import InvalidSpecification
from openapi_spec_validator import OpenAPIV31SpecValidator


class OpenAPI31Specification(connexion.spec.OpenAPISpecification):
    """Checks a document against the 3.1 meta-schema, where Connexion 3.3 knows only that of 3.0."""

    @classmethod
    def _validate_spec(cls, spec: dict[str, Any]) -> None:
        for error in OpenAPIV31SpecValidator(spec).iter_errors():
            raise InvalidSpecification.create_from(error)


def use_openapi_31() -> None:
    """Makes Connexion read OpenAPI documents as 3.1, in this process."""
    # Specification.from_dict() looks the class up in its module and has no other way to be told.
    connexion.spec.OpenAPISpecification = OpenAPI31Specification


def load_document(strict: bool = False) -> dict[str, Any]:
    """The merged OpenAPI document of the server as plain values. strict: without what OpenAI's API has beyond it.

    Given to Connexion as a dict, because it would run a file through Jinja first.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    file = resources.files("generated").joinpath("strict/openapi.yaml" if strict else "openapi.yaml")
    document: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    return document
