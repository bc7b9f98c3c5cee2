"""The model loads behind an open port, and every state of it is told."""

import threading

import pytest

from handlers.http.errors import APIError
from handlers.loaded import LoadedModel
from handlers.service import Service

PATH = "/v1/chat/completions"
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def test_while_loading_the_port_answers_503_with_retry_after_and_then_200(fakes):
    go = threading.Event()
    engine = fakes.Engine()

    def load():
        assert go.wait(5)
        return LoadedModel(engine, fakes.Tokenizer(), fakes.Compiler())

    with fakes.connected(load=load) as app:
        for response in (app.client.get("/health"), app.client.post(PATH, json=CHAT)):
            assert response.status_code == 503 and int(response.headers["retry-after"]) > 0
            assert response.json()["error"] == {
                "message": "the model is still loading; try again in a few seconds",
                "type": "server_error", "param": None, "code": "loading",
            }  # fmt: skip
        assert app.client.get("/health").json()["status"] == "loading"
        assert app.client.get("/v1/models").status_code == 200
        go.set()
        fakes.wait_until(lambda: app.client.get("/health").status_code == 200)
        assert app.client.post(PATH, json=CHAT).status_code == 200
    assert engine.closed


@pytest.mark.parametrize(("kind", "traceback"), [(ValueError, False), (RuntimeError, True)])
def test_a_model_that_cannot_be_loaded_says_why_and_the_log_has_the_traceback_of_what_is_unexpected(
    fakes, caplog, kind, traceback
):
    def load():
        raise kind("config.json: model_type 'x' is not supported")

    with fakes.connected(load=load) as app:
        fakes.wait_until(lambda: app.service.status == "failed")
        for response in (app.client.get("/health"), app.client.post(PATH, json=CHAT)):
            assert response.status_code == 503 and "retry-after" not in response.headers
            assert "started anew" in response.json()["message"] and "model_type" not in response.text
        assert app.service.reason == "config.json: model_type 'x' is not supported"
    (record,) = (each for each in caplog.records if "model_type 'x' is not supported" in each.getMessage())
    assert bool(record.exc_info) is traceback


def test_an_engine_that_stops_makes_the_server_unhealthy(fakes):
    with fakes.connected() as app:
        app.engine.failure = "the engine stopped: out of memory"
        for response in (app.client.get("/health"), app.client.post(PATH, json=CHAT)):
            assert response.status_code == 503
            assert "started anew" in response.json()["message"] and "out of memory" not in response.text
            assert response.json()["error"]["code"] == "failed"
        assert app.client.get("/health").json()["status"] == "failed"


def test_while_draining_new_requests_are_refused(fakes):
    with fakes.connected() as app:
        app.service.drain()
        for response in (app.client.get("/health"), app.client.post(PATH, json=CHAT)):
            assert response.status_code == 503 and response.json()["error"]["code"] == "draining"
            assert "retry-after" in response.headers


def test_a_model_that_is_loaded_after_the_stop_is_closed(fakes):
    go, engine = threading.Event(), fakes.Engine()

    def load():
        assert go.wait(5)
        return LoadedModel(engine, fakes.Tokenizer(), fakes.Compiler())

    service = Service(load, ["tiny"])
    service.start()
    service.close()
    go.set()
    fakes.wait_until(lambda: engine.closed)
    with pytest.raises(APIError):
        service.loaded  # noqa: B018


def test_a_full_queue_is_429_with_retry_after(fakes):
    with fakes.connected(fakes.Engine(full=True)) as app:
        for stream in (False, True):
            response = app.client.post(PATH, json={**CHAT, "stream": stream})
            assert response.status_code == 429 and response.headers["retry-after"] == "7"
            assert response.json()["error"]["code"] == "queue_full"


def test_models_lists_every_name_and_each_can_be_retrieved(app):
    models = app.client.get("/v1/models").json()
    assert models["object"] == "list" and [model["id"] for model in models["data"]] == ["tiny", "org/tiny"]
    for model in models["data"]:
        assert app.client.get(f"/v1/models/{model['id']}").json() == model


def test_an_unknown_model_is_404_by_name_and_in_a_chat(app, post):
    for response in (app.client.get("/v1/models/other"), post(model="other")):
        assert response.status_code == 404
        assert response.json()["error"] | {"message": ""} == {
            "message": "", "type": "invalid_request_error", "param": "model", "code": "model_not_found",
        }  # fmt: skip


@pytest.mark.parametrize("model", [None, "", "tiny", "org/tiny"])
def test_the_base_model_has_many_names_and_answers_with_one(post, model):
    assert post(model=model).json()["model"] == "tiny"


def test_a_service_has_a_name():
    with pytest.raises(ValueError, match="model name"):
        Service(lambda: None, [])
