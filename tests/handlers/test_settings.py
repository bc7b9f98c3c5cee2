"""What settings mean together: the names of the model."""

import pytest
from pydantic import ValidationError

from handlers.settings import ServeSettings


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("tiny", ("tiny",)),
        ("owner/name", ("owner/name", "name")),
        ("{here}/some-model", ("some-model",)),
        ("{here}/some-model/", ("some-model",)),
        ("{here}/some-model/inner/..", ("some-model",)),
        ("{here}/Model-1B.Q4_1.gguf", ("Model-1B.Q4_1",)),
        ("{here}/Model-1B-00001-of-00003.gguf", ("Model-1B",)),
        ("some-model", ("some-model",)),
        ("./some-model", ("some-model",)),
        ("inner/deep", ("deep",)),
        ("~/some-model", ("some-model",)),
        (".", ("{last}",)),
        ("/", ("/",)),
    ],
)
def test_a_model_is_called_as_its_folder_file_or_repository_and_never_by_its_path(tmp_path, monkeypatch, model, names):
    for folder in ("some-model/inner", "inner/deep"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("Model-1B.Q4_1.gguf", "Model-1B-00001-of-00003.gguf"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = tuple(name.format(last=tmp_path.name) for name in names)
    assert ServeSettings(model=model.format(here=tmp_path)).model_names == expected


def test_names_that_are_given_are_the_only_ones():
    assert ServeSettings(model="tiny", served_model_name=["b", "a", "b"]).model_names == ("b", "a")


@pytest.mark.parametrize("names", [[""], "", "a,", " ", ["a", " "], [1]])
def test_a_name_is_not_empty(names):
    with pytest.raises(ValidationError, match="served_model_name"):
        ServeSettings(served_model_name=names)
