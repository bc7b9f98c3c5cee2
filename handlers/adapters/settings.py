"""What can be set of adapters."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import ByteSize, Field, PositiveInt, field_validator, model_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode

DEFAULT_SLOTS = 8


class AdapterSettings(BaseSettings):
    """Which adapters are served, and how many at a time."""

    adapter: Annotated[list[str], NoDecode] = Field(
        [],
        description="NAME=PLACE of a LoRA adapter that requests may name as `model`; the place is a folder as PEFT "
        "saves it, a hub repository as owner/name, or tiny-pirate, which is bundled; a place alone names it; give the "
        "flag once per adapter",
    )
    max_adapters: PositiveInt | None = Field(
        None,
        description="adapters that one batch can have, and that the device holds; more wait for each other; default: "
        "as many as --adapter names, at most 8, and 8 with --allow-adapter-loading",
    )
    max_adapter_rank: int | None = Field(
        None,
        ge=1,
        le=512,
        description="largest rank of an adapter; default: that of the largest that --adapter names, and at least 16",
    )
    adapter_memory: ByteSize = Field(
        ByteSize(1 << 30),
        description="memory that adapters take beside the device, such as 512MiB; beyond it they are read again when "
        "they are wanted",
    )
    allow_adapter_loading: CliImplicitFlag[bool] = Field(
        False, description="whether requests may load and unload adapters, from --adapter-folder"
    )
    adapter_folder: Path | None = Field(
        None, description="folder whose folders are the adapters that requests may load"
    )

    @property
    def adapters(self) -> dict[str, str]:
        """Name of each adapter that is loaded at start -> where it is."""
        return dict(_named(given) for given in self.adapter)

    @property
    def adapter_slots(self) -> int:
        """How many adapters the device holds, 0 where there are none and none can come."""
        default = DEFAULT_SLOTS if self.allow_adapter_loading else min(DEFAULT_SLOTS, len(self.adapter))
        return (self.max_adapters or default) if default else 0

    @field_validator("adapter", mode="before")
    @classmethod
    def _are_places(cls, given: object) -> object:
        given = given.split(",") if isinstance(given, str) else given  # as the environment and the flags give them
        named = [_named(each) for each in given if isinstance(each, str)] if isinstance(given, list) else []
        if any(not name or not place for name, place in named):
            raise ValueError("one has no name or no place; give NAME=PLACE")
        names = [name for name, _ in named]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} comes twice; give each adapter a name of its own by NAME=PLACE")
        return given

    @model_validator(mode="after")
    def _folder_is_there(self) -> Self:
        if self.allow_adapter_loading != (self.adapter_folder is not None):
            raise ValueError("allow_adapter_loading and adapter_folder go together; give both, or none")
        if self.adapter_folder is not None and not self.adapter_folder.is_dir():
            raise ValueError(f"adapter_folder: there is no folder {self.adapter_folder}")
        return self


def _named(given: str) -> tuple[str, str]:
    """Name and place of an adapter as the flag has them; a place alone is called as its last part."""
    name, equals, place = given.strip().partition("=")
    return (name, place) if equals else (Path(name).name, name)
