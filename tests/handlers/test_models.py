"""GET /v1/models: what is told of a model."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from handlers.loaded import LoadedModel


def loaded(fakes, modalities):
    """A model that takes these beside text."""
    encoder = SimpleNamespace(modalities=frozenset(modalities)) if modalities else None
    reader = SimpleNamespace(close=lambda: None, limits=SimpleNamespace(bytes=1))
    return LoadedModel(fakes.Engine(), fakes.Tokenizer(), fakes.Compiler(), encoder=encoder, reader=reader)


@pytest.mark.parametrize(
    ("modalities", "told"),
    [
        ((), ["text"]),
        (("image",), ["text", "image"]),
        (("video", "audio", "image"), ["text", "image", "audio", "video"]),
    ],
)
def test_a_model_tells_what_its_messages_may_have(fakes, modalities, told):
    model = loaded(fakes, modalities)
    with fakes.connected(load=lambda: model) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        model.engine.adapters["pirate"] = Path()
        found = {each["id"]: each["input_modalities"] for each in app.client.get("/v1/models").json()["data"]}
        assert found == {"tiny": told, "org/tiny": told, "pirate": told}
        assert app.client.get("/v1/models/pirate").json()["input_modalities"] == told


def test_without_what_reads_media_a_model_takes_text_alone(fakes):
    parts = loaded(fakes, ("image",))
    bare = LoadedModel(parts.engine, parts.tokenizer, parts.compiler, encoder=parts.encoder)
    with fakes.connected(load=lambda: bare) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        assert app.client.get("/v1/models/tiny").json()["input_modalities"] == ["text"]


def test_while_it_is_loading_nothing_is_told_of_it(fakes):
    def fail():
        raise OSError("no such model")

    with fakes.connected(load=fail) as app:
        fakes.wait_until(lambda: app.service.status == "failed")
        assert "input_modalities" not in app.client.get("/v1/models").json()["data"][0]


@pytest.mark.parametrize("path", ["Tiny", "org", "tiny/x", "tiny%00", "%20tiny"])
def test_what_is_no_name_is_404_also_where_there_is_none(app, path):
    response = app.client.get(f"/v1/models/{path}")
    assert response.status_code == 404 and response.json()["error"]["code"] == "model_not_found"
