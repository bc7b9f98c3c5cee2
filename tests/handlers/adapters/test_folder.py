"""A request reaches adapters in the operator's folder, and no other file of the machine."""

from pathlib import Path

import pytest

from handlers.adapters.folder import adapter_folder
from handlers.http.errors import APIError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of adapters, and beside it what must not be reached."""
    root = tmp_path / "adapters"
    for folder in (root / "a", root / "team" / "b", tmp_path / "secret", tmp_path / "adapters-too"):
        folder.mkdir(parents=True)
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "within").symlink_to(root / "a")
    (root / "file").write_text("x")
    (root / "team" / "linked").mkdir()
    (root / "team" / "linked" / "adapter_model.safetensors").symlink_to(tmp_path / "secret")
    return root


@pytest.mark.parametrize("path", ["a", "team/b", "./a", "a/", "{root}/a", "{root}/team/b"])
def test_folders_in_it_are_found_by_relative_and_by_absolute_paths(root: Path, path: str) -> None:
    found = adapter_folder(root, path.format(root=root), "path")
    assert found.is_dir() and found.is_relative_to(root)


@pytest.mark.parametrize(
    "path",
    ["..", "../secret", "a/../../secret", "a/..", "{root}/../secret", "/", "/etc", "{root}-too", "{root}", ".", "out",
     "out/x", "within", "team/linked", "a\0", "{root}/out"],
)  # fmt: skip
def test_what_leads_out_of_it_or_over_links_is_refused_without_a_word_of_what_is_there(root: Path, path: str) -> None:
    with pytest.raises(APIError, match="lora_path must lead to a folder in the server's folder") as error:
        adapter_folder(root, path.format(root=root), "lora_path")
    assert (error.value.status, error.value.param) == (422, "lora_path")
    assert str(root) not in error.value.message


@pytest.mark.parametrize("path", ["none", "file", "a/b", "~", "C:\\x", "*"])
def test_what_is_no_folder_there_is_told(root: Path, path: str) -> None:
    with pytest.raises(APIError, match="path: there is no such folder"):
        adapter_folder(root, path, "path")
