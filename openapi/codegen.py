"""Writes the package `generated` from the vendored document and its overlays: `python openapi/codegen.py FOLDER`.

The document that is served has all overlays; that in `strict`, a package of the same form in it, all but openai.yaml
and anthropic.yaml.
Each file in `endpoints` is an overlay too, with the endpoints of one kind beside chat.
The result depends on the documents and on the versions of the tools, and on nothing else: not on the folder that
it is started in, the time, or a configuration file. tests/test_codegen.py compares it with what is committed.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonpath_ng.ext import parse
from oas_patch import apply_overlay
from openapi_spec_validator import OpenAPIV31SpecValidator

HERE = Path(__file__).resolve().parent
VENDORED = HERE / "friendli-container.yaml"
OVERLAY, OPENAI, ANTHROPIC = (HERE / f"{name}.yaml" for name in ("overlay", "openai", "anthropic"))
ENDPOINTS = tuple(sorted((HERE / "endpoints").glob("*.yaml")))
PACKAGES = {"": (OVERLAY, *ENDPOINTS, OPENAI, ANTHROPIC), "strict": (OVERLAY, *ENDPOINTS)}
"""Folder inside the package -> the overlays of its document, in order."""

PACKAGE_DOCSTRING = "The merged OpenAPI document and pydantic models of its schemas. Written by `nox -s codegen` only."
MODELS_HEADER = (
    "# Generated from openapi.yaml by `nox -s codegen`. Do not edit: change an overlay in openapi/ and run it again."
)
# Integers are not strict: JSON Schema calls 1.0 an integer, and the schema has been checked before a model is made.
MODEL_FLAGS = shlex.split("""
    --input-file-type openapi --openapi-scopes schemas --output-model-type pydantic_v2.BaseModel
    --target-python-version 3.11 --use-annotated --use-union-operator --use-standard-collections
    --enum-field-as-literal all --collapse-root-models --strict-types str float bool --use-type-alias --no-formatters
    --disable-timestamp
""")
RUFF = [sys.executable, "-m", "ruff"]
RUFF_OPTIONS = ["--isolated", "--no-cache", "--quiet", "--line-length", "120", "--target-version", "py311"]


def merge(overlays: Sequence[Path] = PACKAGES[""]) -> dict[str, Any]:
    """The vendored document with every action of the overlays applied; ValueError where an action has no target."""
    document = yaml.safe_load(VENDORED.read_text())
    for overlay in overlays:
        for action in yaml.safe_load(overlay.read_text())["actions"]:
            if not parse(action["target"]).find(document):
                raise ValueError(f"{overlay.name}: nothing matches the target {action['target']}")
            apply_overlay(document, {"actions": [action]})
    # A dump without aliases needs values that share no objects, and apply_overlay shares those of the overlay.
    return yaml.safe_load(_dump(document))


def write(folder: Path) -> None:
    """Writes the package's files into `folder`, which is made where it is missing."""
    for name, overlays in PACKAGES.items():
        _write_package(folder / name, merge(overlays))
    (folder / "py.typed").touch()


def _write_package(folder: Path, document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(f'"""{PACKAGE_DOCSTRING}"""\n')
    (folder / "openapi.yaml").write_text(f"{MODELS_HEADER.replace('openapi.yaml', 'openapi/')}\n{_dump(document)}")
    (folder / "models.py").write_text(_models(_dump(document)))


def _models(document: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, models = Path(folder, "openapi.yaml"), Path(folder, "models.py")
        source.write_text(document)
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", source.name, "--output", models.name]
        _run([*command, "--custom-file-header", MODELS_HEADER, *MODEL_FLAGS], folder)
        _run([*RUFF, "check", *RUFF_OPTIONS, "--select", "F,I,UP", "--fix", models.name], folder)
        _run([*RUFF, "format", *RUFF_OPTIONS, models.name], folder)
        return models.read_text()


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the package to write")
    write(parser.parse_args().folder)
