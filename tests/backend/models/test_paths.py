"""A checkpoint leads to its own files and to nothing else of the machine."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from backend.models.errors import CheckpointError
from backend.models.hub import resolve
from backend.models.tensors import Tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint's, beside which there is a file that is none of its own."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "outside.safetensors")
    save_file({"a": np.ones(3, np.float32)}, folder / "inside.safetensors")
    return folder


def index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize(
    "name",
    ["../outside.safetensors", "{}/outside.safetensors", "./inside.safetensors", "a/../../outside.safetensors", "..",
     "", "..\\outside.safetensors", "C:outside.safetensors", "inside.safetensors\0", 7, None, ["inside.safetensors"]],
)  # fmt: skip
def test_an_index_names_files_of_its_folder_only(folder: Path, name: object) -> None:
    name = name.format(folder.parent) if isinstance(name, str) else name
    index(folder, {"a": name})
    with pytest.raises(CheckpointError, match=r"index\.json names .*only files of its own folder"):
        Tensors(folder)
    index(folder, {"a": "inside.safetensors"})
    assert list(Tensors(folder)) == ["a"]


@pytest.mark.parametrize("weight_map", [None, [], {}, "inside.safetensors"])
def test_an_index_has_a_map(folder: Path, weight_map: object) -> None:
    index(folder, weight_map)
    with pytest.raises(CheckpointError, match="weight_map must be an object"):
        Tensors(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja", "additional_chat_templates/tools.jinja"])
@pytest.mark.parametrize("target", ["../../outside.safetensors", "{}/outside.safetensors", "/etc/hostname", "/nowhere"])
def test_links_out_of_the_folder_are_refused(folder: Path, name: str, target: str) -> None:
    link = folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target.format(folder.parent))
    with pytest.raises(CheckpointError, match=f"{link.name} is a link out of the checkpoint's folder"):
        resolve(str(folder))


def test_a_folder_that_is_a_link_out_is_refused_with_all_that_is_in_it(folder: Path) -> None:
    (folder / "additional_chat_templates").symlink_to("..")
    with pytest.raises(CheckpointError, match="additional_chat_templates is a link out"):
        resolve(str(folder))


def test_links_that_stay_inside_and_the_folders_own_are_followed(folder: Path) -> None:
    (folder / "model.safetensors").symlink_to("inside.safetensors")
    named = folder.with_name("named")
    named.symlink_to(folder)
    assert list(Tensors(resolve(str(named)))) == ["a"]


def test_links_of_the_hubs_cache_lead_to_its_blobs_and_nowhere_else(folder: Path) -> None:
    repository = folder.parent / "models--owner--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (folder / "inside.safetensors").rename(repository / "blobs" / "digest")
    (snapshot / "model.safetensors").symlink_to("../../blobs/digest")
    assert list(Tensors(resolve(str(snapshot)))) == ["a"]
    (snapshot / "config.json").symlink_to("../../../outside.safetensors")
    with pytest.raises(CheckpointError, match="config.json is a link out"):
        resolve(str(snapshot))


def test_the_parts_beside_a_gguf_file_are_no_links_out_but_the_named_file_may_be(folder: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    first, second = (folder / f"a-0000{number}-of-00002.gguf" for number in (1, 2))
    first.symlink_to(outside)
    second.touch()
    assert resolve(str(first)) == first
    with pytest.raises(CheckpointError, match="a-00001-of-00002.gguf is a link out"):
        resolve(str(second))
