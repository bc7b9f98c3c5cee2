"""The vendored document is untouched, the overlay explains itself, and generated/ is what the two of them yield."""

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
    codegen.write(tmp_path / "generated")
    for path in (tmp_path / "generated").iterdir():
        committed = ROOT / "generated" / path.name
        assert path.read_bytes() == committed.read_bytes(), f"{committed} is stale: run `nox -s codegen`"


def test_every_action_of_the_overlay_gives_its_reason(codegen):
    actions = yaml.safe_load(codegen.OVERLAY.read_text())["actions"]
    assert actions and all(action.get("description", "").endswith(".") for action in actions)


def test_an_action_without_a_target_is_refused(codegen, tmp_path, monkeypatch):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"actions": [{"target": "$.paths['/gone']", "update": {}}]}))
    monkeypatch.setattr(codegen, "OVERLAY", overlay)
    with pytest.raises(ValueError, match="/gone"):
        codegen.merge()


def test_the_overlay_removes_nothing_that_it_does_not_restate(codegen):
    """Every schema, property and required field of the vendored document is still in the merged one."""
    vendored, merged = yaml.safe_load(codegen.VENDORED.read_text()), codegen.merge()
    for name, schema in vendored["components"]["schemas"].items():
        kept = merged["components"]["schemas"][name]
        assert schema.get("properties", {}).keys() <= kept.get("properties", {}).keys(), name
        assert schema.get("required") == kept.get("required"), name
        assert "discriminator" in kept or "discriminator" not in schema, name
