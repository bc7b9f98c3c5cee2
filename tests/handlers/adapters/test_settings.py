"""Flags of adapters: names and places, and what is reserved for them."""

import pytest
from pydantic import ValidationError

from handlers.cli.loading import adapter_options
from handlers.settings import ServeSettings


def test_a_place_alone_is_called_as_its_last_part() -> None:
    settings = ServeSettings(adapter=["poet=/srv/poet-v2", "owner/pirate", "./local/", "tiny-pirate"])
    assert settings.adapters == {
        "poet": "/srv/poet-v2", "pirate": "owner/pirate", "local": "./local/", "tiny-pirate": "tiny-pirate",
    }  # fmt: skip
    assert ServeSettings(adapter="a=x,b=y").adapters == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a=x", "a=y"], "'a' comes twice"),
        (["=x"], "no name or no place"),
        (["a="], "no name or no place"),
        (["tiny=x"], "'tiny' is a name of the model"),
    ],
)
def test_names_that_do_not_tell_adapters_apart_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ServeSettings(adapter=given)


def test_slots_are_as_many_as_can_be_used_unless_they_are_given(tmp_path) -> None:
    loading = {"allow_adapter_loading": True, "adapter_folder": tmp_path}
    many = [f"a{i}=x" for i in range(12)]
    assert ServeSettings().adapter_slots == ServeSettings(max_adapters=3).adapter_slots == 0
    assert ServeSettings(adapter=["a=x"]).adapter_slots == 1
    assert ServeSettings(adapter=many).adapter_slots == ServeSettings(**loading).adapter_slots == 8
    assert ServeSettings(adapter=many, max_adapters=12).adapter_slots == 12


def test_what_the_engine_is_told() -> None:
    settings = ServeSettings(adapter=["a=x"], max_adapter_rank=32, adapter_memory="512MiB")
    assert adapter_options(settings) == {
        "adapters": {"a": "x"}, "max_adapters": 1, "max_adapter_rank": 32, "adapter_memory": 512 << 20,
    }  # fmt: skip


def test_loading_while_the_server_runs_names_its_folder_which_is_there(tmp_path) -> None:
    for wrong in ({"allow_adapter_loading": True}, {"adapter_folder": tmp_path}):
        with pytest.raises(ValidationError, match="go together"):
            ServeSettings(**wrong)
    with pytest.raises(ValidationError, match="there is no folder"):
        ServeSettings(allow_adapter_loading=True, adapter_folder=tmp_path / "none")
