"""Which files make one GGUF checkpoint."""

from pathlib import Path

import pytest

from backend.models.errors import CheckpointError
from backend.models.gguf.files import first_part, parts


def test_a_single_file_is_itself(tmp_path: Path) -> None:
    for name in ("a.gguf", "a-1-of-2.gguf", "00001-of-00002.gguf"):
        assert parts(tmp_path / name) == [tmp_path / name] and first_part(tmp_path / name) == tmp_path / name


def test_any_part_leads_to_all_in_their_order(tmp_path: Path) -> None:
    names = [f"a-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    for name in names:
        (tmp_path / name).touch()
    for name in names:
        assert parts(tmp_path / name) == [tmp_path / name for name in names]
        assert first_part(tmp_path / name) == tmp_path / names[0]


def test_absent_parts_are_named(tmp_path: Path) -> None:
    (tmp_path / "a-00002-of-00003.gguf").touch()
    with pytest.raises(CheckpointError, match=r"lacks parts .*: a-00001-of-00003\.gguf, a-00003-of-00003\.gguf; down"):
        parts(tmp_path / "a-00002-of-00003.gguf")
    with pytest.raises(CheckpointError, match="a-00008-of-99999.gguf and 99991 more"):
        parts(tmp_path / "a-00001-of-99999.gguf")


@pytest.mark.parametrize("name", ["a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-00000-of-00000.gguf"])
def test_a_part_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="numbered from 00001"):
        parts(tmp_path / name)
