"""What can be set: by flag, by environment variable JAXCHAT_NAME, or by default. One class serves all three."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_CACHE = Path("~/.cache/jaxchat/compiled")


def flag(description: str, *names: str) -> object:
    """A field with a help text and, where given, further spellings of its flag."""
    return Field(description=description, validation_alias=AliasChoices(*names) if names else None)


class ServeSettings(BaseSettings):
    """Serve a model on the chat completions API.

    With no flag at all, the small bundled model answers on http://localhost:8000 (Swagger UI at /ui).
    """

    model_config = SettingsConfigDict(env_prefix="JAXCHAT_", cli_kebab_case=True, extra="forbid", populate_by_name=True)

    model: Annotated[
        str, flag("A checkpoint: tiny (bundled), a local folder, or a hub repository as owner/name.", "model", "hf-model-name")
    ] = "tiny"
    revision: Annotated[str | None, flag("Branch, tag or commit of the hub repository.")] = None
    host: Annotated[str, flag("Address to listen on; 127.0.0.1 keeps it to this machine.")] = "0.0.0.0"  # noqa: S104
    port: Annotated[int, flag("Port of the API.", "port", "web-server-port"), Field(ge=0, le=65535)] = 8000
    max_batch_size: Annotated[PositiveInt, flag("Choices decoded at the same time; more wait in line.")] = 16
    max_context_length: Annotated[
        PositiveInt | None, flag("Tokens of prompt and answer together; less takes less memory. Default: the model's own.")
    ] = None
    max_queue: Annotated[PositiveInt, flag("Choices running or in line; beyond them requests get 429.")] = 1024
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"], flag("Type of weights and cache; auto: float32 on CPU, else bfloat16.")
    ] = "auto"
    compilation_cache: Annotated[
        Path, flag("Folder that keeps compiled programs, so that later starts are fast.")
    ] = DEFAULT_CACHE
    log_level: Annotated[Literal["debug", "info", "warning", "error"], flag("How much to say on standard error.")] = "info"
