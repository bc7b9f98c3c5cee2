"""What `pip install .` brings: what the server needs, typed, with its bundled models, and nothing else."""

import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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


def test_the_bundled_models_and_the_adapter_come_without_their_recipes(names) -> None:
    of_tiny = {name for name in names if name.startswith("backend/tiny/")}
    folders = [ROOT / "backend/tiny" / folder for folder in ("checkpoint", "omni", "adapter")]
    files = {f"backend/tiny/{folder.name}/{path.name}" for folder in folders for path in folder.iterdir()}
    assert of_tiny == {"backend/tiny/__init__.py", *files}
    assert all(f"backend/tiny/{folder.name}/README.md" in files for folder in folders)


def test_data_files_come_along(names) -> None:
    assert {"generated/openapi.yaml", "generated/strict/openapi.yaml", "handlers/metrics/grafana.json"} <= names


def test_the_licence_and_the_notice_about_what_is_not_under_it_come_along(names) -> None:
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    notice = (ROOT / "NOTICE").read_text()
    assert all(path in notice and (ROOT / path).exists() for path in ("openapi/friendli-container.yaml", "LICENSE"))


def test_what_builds_the_wheel_is_pinned_as_everything_else_is() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert set(wanted) <= set(pins)
    needed = [Requirement(line) for line in requires("hatchling") or []]
    used = {each.name for each in needed if each.marker is None or each.marker.evaluate()}
    assert {"hatchling", *used} == {Requirement(pin).name for pin in wanted}
