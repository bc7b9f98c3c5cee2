"""Adapters by HTTP: who answers, what is listed, and what is loaded and unloaded."""

from pathlib import Path

import pytest

from handlers.http.access import Access, digests

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
PATHS = [
    ("POST", "/v1/adapters", {"name": "a"}),
    ("DELETE", "/v1/adapters/a", None),
    ("POST", "/v1/load_lora_adapter", {"lora_name": "a", "lora_path": "a"}),
    ("POST", "/v1/unload_lora_adapter", {"lora_name": "a"}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "wrong"):
        (tmp_path / name).mkdir()
    return tmp_path


def chat(app, model: str):
    return app.client.post("/v1/chat/completions", json={**CHAT, "model": model})


def test_model_says_who_answers_and_the_answer_carries_its_name(fakes) -> None:
    with fakes.connected() as app:
        app.engine.adapters["pirate"] = Path()
        for model, adapter, name in (
            ("tiny", None, "tiny"),
            ("org/tiny", None, "tiny"),
            ("pirate", "pirate", "pirate"),
        ):
            assert chat(app, model).json()["model"] == name
            assert app.engine.generations[-1].request.adapter == adapter
        streamed = app.client.post("/v1/chat/completions", json={**CHAT, "model": "pirate", "stream": True})
        assert '"model":"pirate"' in streamed.text
        assert app.engine.generations[-1].request.adapter == "pirate"


def test_an_unknown_name_is_404_that_lists_those_there_are(fakes) -> None:
    with fakes.connected() as app:
        app.engine.adapters |= {"pirate": Path(), "poet": Path()}
        answer = chat(app, "priate")
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": "there is no model 'priate'; there is tiny, org/tiny, pirate, poet",
        "type": "invalid_request_error", "param": "model", "code": "model_not_found",
    }  # fmt: skip


def test_adapters_are_listed_with_the_model_that_they_change(fakes) -> None:
    with fakes.connected() as app:
        app.engine.adapters["org/pirate"] = Path()
        listed = app.client.get("/v1/models").json()["data"]
        one = app.client.get("/v1/models/org/pirate").json()
    assert [model["id"] for model in listed] == ["tiny", "org/tiny", "org/pirate"]
    assert [model.get("parent") for model in listed] == [None, None, "tiny"]
    assert one == listed[-1]


def test_adapters_are_loaded_and_unloaded_in_either_spelling(fakes, folder) -> None:
    with fakes.connected(adapter_folder=folder) as app:
        made = app.client.post("/v1/adapters", json={"name": "a"})
        assert (made.status_code, made.json()["id"], made.json()["parent"]) == (200, "a", "tiny")
        lora = {"lora_name": "team/b", "lora_path": str(folder / "b")}
        assert app.client.post("/v1/load_lora_adapter", json=lora).text == (
            "Success: LoRA adapter 'team/b' added successfully."
        )
        assert app.engine.adapters == {"a": folder / "a", "team/b": folder / "b"}
        assert chat(app, "team/b").status_code == 200
        gone = app.client.delete("/v1/adapters/team/b")
        assert gone.json() == {"id": "team/b", "object": "model", "deleted": True}
        assert app.client.post("/v1/unload_lora_adapter", json={"lora_name": "a"}).status_code == 200
        assert app.engine.adapters == {}


def test_what_has_no_effect_is_named(fakes, folder) -> None:
    with fakes.connected(adapter_folder=folder) as app:
        for path, body in (
            ("/v1/adapters", {"name": "a", "scale": 2}),
            ("/v1/load_lora_adapter", {"lora_name": "b", "lora_path": "b", "load_inplace": True, "lora_int_id": 1}),
            ("/v1/unload_lora_adapter", {"lora_name": "b", "lora_int_id": 1}),
        ):
            answer = app.client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            known = {"name", "lora_name", "lora_path"}
            assert answer.headers["x-ignored-parameters"] == ",".join(name for name in body if name not in known)


def test_what_cannot_be_loaded_is_told_with_its_field_and_no_path_of_the_machine(fakes, folder) -> None:
    with fakes.connected(adapter_folder=folder) as app:

        def refused(status: int, param: str | None, **body) -> str:
            answer = app.client.post("/v1/adapters", json=body)
            assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
            assert str(folder) not in answer.text
            return answer.json()["message"]

        assert "rank 99 is too much; use_dora is not served" in refused(422, "path", name="a", path="wrong")
        assert "must lead to a folder in the server's folder" in refused(422, "path", name="a", path="../a")
        assert "no such folder" in refused(422, "path", name="none")
        assert "name" in refused(422, "name", name="with space")
        assert "another model" in refused(409, "name", name="org/tiny", path="a")
        app.client.post("/v1/adapters", json={"name": "a"})
        assert "another model or adapter" in refused(409, "name", name="a", path="b")
        missing = app.client.delete("/v1/adapters/none")
        assert missing.status_code == 404 and "there is a" in missing.json()["message"]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
def test_nothing_is_loaded_or_unloaded_unless_the_operator_lets_it(fakes, method, path, body) -> None:
    with fakes.connected() as app:
        app.engine.adapters["a"] = Path()
        answer = app.client.request(method, path, json=body)
        assert answer.status_code == 403 and "--allow-adapter-loading" in answer.json()["message"]
        assert list(app.engine.adapters) == ["a"]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
def test_who_has_no_key_loads_and_unloads_nothing(fakes, folder, method, path, body) -> None:
    with fakes.connected(adapter_folder=folder, access=Access(keys=digests(["key"]))) as app:
        assert app.client.request(method, path, json=body).status_code == 401
        assert app.engine.adapters == {}
        asked = app.client.post("/v1/adapters", json={"name": "a"}, headers={"Authorization": "Bearer key"})
        assert asked.status_code == 200


def test_an_adapter_that_is_unloaded_between_is_404(fakes, monkeypatch) -> None:
    with fakes.connected() as app:
        monkeypatch.setattr(type(app.engine), "adapter_names", ("gone",))
        answer = chat(app, "gone")
    assert answer.status_code == 404 and "has just been unloaded" in answer.json()["message"]
