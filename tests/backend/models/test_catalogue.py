"""The catalogue says what is true of the models that it names."""

import json
from pathlib import Path

import pytest

from backend.models.catalogue import CATALOGUE, WheelFile
from backend.models.errors import CheckpointError
from backend.models.hub import resolve

TINY, SMOLLM2 = CATALOGUE["tiny"], CATALOGUE["smollm2"]


@pytest.mark.parametrize("name", ["tiny", "tiny-omni"])
def test_what_is_said_of_an_installed_model_is_so(name: str) -> None:
    model = CATALOGUE[name]
    config = json.loads((model.source / "config.json").read_text())
    assert config["model_type"] == model.family
    assert 8_000_000 > model.size > (model.source / "model.safetensors").stat().st_size
    assert "license: apache-2.0" in (model.source / "README.md").read_text() and model.licence == "Apache-2.0"


def test_every_model_is_under_its_own_name_and_what_is_downloaded_is_pinned() -> None:
    for name, model in CATALOGUE.items():
        assert model.name == name
        if isinstance(model.source, WheelFile):
            digests = (model.source.digest, model.source.member_digest)
            assert all(len(digest) == 64 and int(digest, 16) for digest in digests)


def test_a_bundled_model_is_where_it_was_downloaded_to(tmp_path: Path) -> None:
    assert TINY.local_path(tmp_path) == TINY.source
    assert SMOLLM2.local_path(tmp_path) is None
    path = SMOLLM2.source.path(tmp_path)
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(SMOLLM2.source.member_size)
    assert SMOLLM2.local_path(tmp_path) == path == resolve("smollm2", cache=tmp_path)


def test_nothing_is_downloaded_where_only_local_files_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="smollm2 is not in .* yet; the first start"):
        resolve("smollm2", cache=tmp_path, local_files_only=True)
