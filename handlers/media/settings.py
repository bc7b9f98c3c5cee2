"""What can be set of pictures, sound and film."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode

from handlers.media.limits import DEFAULT_LIMITS as MEDIA

HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""In ASCII, as requests have it, without port."""


class MediaSettings(BaseSettings):
    """Where media of requests come from, and how large they may be."""

    media_fetch: CliImplicitFlag[bool] = Field(
        True, description="fetch http and https URLs of pictures, sound and film from public addresses"
    )
    allowed_media_domains: Annotated[list[str], NoDecode] = Field(
        [],
        description="domain that media may be fetched from, with those below it; give the flag once per domain; "
        "default: every public one",
    )
    media_folder: Path | None = Field(
        None, description="folder whose files, and those below it, requests may name as file: URLs; default: none"
    )
    media_max_bytes: PositiveInt = Field(
        MEDIA.bytes, description="bytes of the files of all pictures, sounds and films of a request together"
    )
    media_max_pixels: PositiveInt = Field(MEDIA.pixels, description="pixels of a picture, and of a film's frame")
    media_max_duration: PositiveFloat = Field(
        MEDIA.duration, allow_inf_nan=False, description="seconds of a sound or film"
    )
    media_timeout: PositiveFloat = Field(
        MEDIA.fetch_seconds, allow_inf_nan=False, description="seconds that fetching a URL may take"
    )

    @field_validator("allowed_media_domains", mode="before")
    @classmethod
    def _are_names_of_domains(cls, names: object) -> object:
        return read_names(names)

    @field_validator("allowed_media_domains")
    @classmethod
    def _are_domains(cls, names: list[str]) -> list[str]:
        for name in names:
            if not HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no domain; write example.org, which stands for what is below it too")
        return names

    @model_validator(mode="after")
    def _media_folder_is_there(self) -> Self:
        if self.media_folder is not None and not self.media_folder.is_dir():
            raise ValueError(f"media_folder: there is no folder {self.media_folder}")
        return self


def read_names(given: object) -> object:
    """Names as flags and the environment have them, once each. Raises ValueError where one is empty."""
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list):
        return names
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError("one is empty; give each, separated by commas")
    return list(dict.fromkeys(name.strip() for name in names))
