"""The vendored document is untouched, the overlays explain themselves, and generated/ is what all of them yield."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[1]
VENDORED_SHA256 = "a36bac6223294833afd28a993735a3c8bc8d3786b5c00b9eb9916cf7f5a1d728"


@pytest.fixture(scope="module")
def codegen() -> ModuleType:
    spec = importlib.util.spec_from_file_location("codegen", ROOT / "openapi" / "codegen.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vendored_document_is_byte_for_byte_as_published():
    assert hashlib.sha256((ROOT / "openapi" / "friendli-container.yaml").read_bytes()).hexdigest() == VENDORED_SHA256


def test_generated_is_what_codegen_writes(codegen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # neither the folder it is started in nor a configuration file there matters
    written, committed = tmp_path / "generated", ROOT / "generated"
    codegen.write(written)
    files = {path.relative_to(written) for path in written.rglob("*") if path.is_file()}
    assert {path.relative_to(committed) for path in committed.rglob("*.*") if path.suffix != ".pyc"} == files
    for path in sorted(files):
        assert (written / path).read_bytes() == (committed / path).read_bytes(), f"{path}: run `nox -s codegen`"


def test_every_action_of_the_overlays_gives_its_reason(codegen):
    for overlay in codegen.PACKAGES[""]:
        actions = yaml.safe_load(overlay.read_text())["actions"]
        assert actions and all(action.get("description", "").endswith(".") for action in actions), overlay


def test_an_action_without_a_target_is_refused(codegen, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"actions": [{"target": "$.paths['/gone']", "update": {}}]}))
    with pytest.raises(ValueError, match="/gone"):
        codegen.merge([overlay])


def test_the_overlay_removes_nothing_that_it_does_not_restate(codegen):
    """Every schema, property and required field of the vendored document is still in the merged one."""
    vendored, merged = yaml.safe_load(codegen.VENDORED.read_text()), codegen.merge(codegen.PACKAGES["strict"])
    for name, schema in vendored["components"]["schemas"].items():
        kept = merged["components"]["schemas"][name]
        assert schema.get("properties", {}).keys() <= kept.get("properties", {}).keys(), name
        assert schema.get("required") == kept.get("required"), name
        assert "discriminator" in kept or "discriminator" not in schema, name


def test_whatever_the_strict_document_allows_the_other_allows_too(codegen):
    """Of every schema: no field is gone, none is required that was not, and every value of an enum is still one."""
    strict, other = (codegen.merge(codegen.PACKAGES[package])["components"]["schemas"] for package in ("strict", ""))
    for name, schema in strict.items():
        wider = other[name]
        assert schema.get("properties", {}).keys() <= wider.get("properties", {}).keys(), name
        assert set(wider.get("required", [])) <= set(schema.get("required", [])), name
        for field, value in schema.get("properties", {}).items():
            assert set(value.get("enum", [])) <= set(wider["properties"][field].get("enum", [])), (name, field)
