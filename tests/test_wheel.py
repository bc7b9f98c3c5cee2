"""What `pip install .` brings: what the server needs, typed, with its bundled model, and nothing else."""

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    """Of the files in the wheel."""
    from hatchling.build import build_wheel  # takes a while, and only this needs it

    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = build_wheel(str(folder))
    return set(zipfile.ZipFile(folder / wheel).namelist())


def test_only_the_three_packages_are_installed(names) -> None:
    folders = {name.partition("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"backend", "handlers", "generated"}


def test_each_package_is_typed(names) -> None:
    assert {f"{package}/py.typed" for package in ("backend", "handlers", "generated")} <= names


def test_the_bundled_model_comes_without_its_recipe(names) -> None:
    of_tiny = {name for name in names if name.startswith("backend/tiny/")}
    checkpoint = {f"backend/tiny/checkpoint/{path.name}" for path in (ROOT / "backend/tiny/checkpoint").iterdir()}
    assert of_tiny == {"backend/tiny/__init__.py", *checkpoint} and "backend/tiny/checkpoint/README.md" in checkpoint


def test_data_files_come_along(names) -> None:
    assert {"generated/openapi.yaml", "generated/strict/openapi.yaml", "handlers/metrics/grafana.json"} <= names
