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


@pytest.mark.parametrize("name", ["api_key", "metrics_key", "allowed_origins", "allowed_hosts"])
@pytest.mark.parametrize("values", [[""], "a,", ["a", " "]])
def test_none_of_several_is_empty(name, values):
    with pytest.raises(ValidationError, match=name):
        ServeSettings(**{name: values})


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("allowed_origins", ["example.org", "https://example.org/", "https://Example.org", "https://*.example.org"],
         ["*", "null", "https://example.org", "http://localhost:3000", "http://[::1]:80", "chrome-extension://abc"]),
        ("allowed_hosts", ["http://a", "a:80", "a/", "*", "é.example"], ["a", "A.example", "::1", "10.0.0.1"]),
        ("allowed_media_domains", ["http://a", "a:80", "a/b", "*.a", ".a", "é.example"], ["a", "A.example"]),
        ("trusted_proxies", ["proxy", "10.0.0.1/8", "10.0.0.1:80", "10.0.0.1,"],
         ["*", "10.0.0.1", "10.0.0.0/8, ::1", "fd00::/8"]),
    ],
)  # fmt: skip
def test_what_no_request_could_match_is_refused(name, wrong, right):
    for value in wrong:
        with pytest.raises(ValidationError, match=f"{name}\n.* is no .*; write "):
            ServeSettings(**{name: value if name == "trusted_proxies" else [value]})
    for value in right:
        ServeSettings(**{name: value if name == "trusted_proxies" else [value]})


@pytest.mark.parametrize("given", [{"num_processes": 2}, {"process_id": 0}])
def test_what_is_of_several_processes_needs_a_coordinator(given):
    with pytest.raises(ValidationError, match="coordinator; give it"):
        ServeSettings(**given)


@pytest.mark.parametrize(
    ("given", "address"),
    [({}, "127.0.0.1"), ({"api_key": ["k"]}, "0.0.0.0"), ({"host": "::1", "api_key": ["k"]}, "::1"),
     ({"host": "0.0.0.0"}, "0.0.0.0")],
)  # fmt: skip
def test_other_machines_reach_a_server_that_has_a_key_or_is_told_to(given, address):
    assert ServeSettings(**given).address == address


def test_keys_come_from_flags_and_a_file_and_are_never_shown(tmp_path):
    file = tmp_path / "keys"
    file.write_text(" secret-b \n\nsecret-a\n")
    settings = ServeSettings(api_key=["secret-a", "secret-c"], api_key_file=file)
    assert settings.keys == ("secret-a", "secret-c", "secret-b")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "keys"),
    [({}, ()), ({"api_key": ["a"]}, ()), ({"api_key": ["a"], "open_monitoring": False}, ("a",)),
     ({"open_monitoring": False}, ()), ({"metrics_key": ["m", "n"]}, ("m", "n")),
     ({"api_key": ["a"], "metrics_key": ["m"]}, ("m",)),
     ({"api_key": ["a"], "metrics_key": ["m"], "open_monitoring": False}, ("m",))],
)  # fmt: skip
def test_which_keys_the_metrics_want(given, keys):
    settings = ServeSettings(**given)
    assert settings.metrics_keys == keys and "'m'" not in repr(settings)


def test_files_that_are_missing_or_useless_are_named(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for given, words in [
        ({"api_key_file": tmp_path / "x"}, "api_key_file: there is no file"),
        ({"api_key_file": empty}, "has no keys"),
        ({"ssl_certfile": empty}, "go together"),
        ({"ssl_keyfile": empty}, "go together"),
        ({"ssl_keyfile": empty, "ssl_certfile": tmp_path / "x"}, "ssl_certfile: there is no file"),
        ({"media_folder": empty}, "media_folder: there is no folder"),
        ({"allowed_media_domains": ["a", " "]}, "one is empty"),
    ]:
        with pytest.raises(ValidationError, match=words):
            ServeSettings(**given)


@pytest.mark.parametrize(
    ("given", "kept"), [("off", "off"), ("256MiB", 256 << 20), ("1000000", 10**6), (0, 0), (None, 64 << 20)]
)
def test_memory_for_responses_is_bytes_or_off(monkeypatch, given, kept):
    if given is not None:
        monkeypatch.setenv("JAXCHAT_RESPONSE_STORE", str(given))
    assert ServeSettings().response_store == kept


@pytest.mark.parametrize(
    ("name", "value"), [("response_store", "much"), ("response_store", "-1"), ("response_lifetime", 0)]
)
def test_memory_for_responses_is_no_other_word(name, value):
    with pytest.raises(ValidationError, match=name):
        ServeSettings(**{name: value})
