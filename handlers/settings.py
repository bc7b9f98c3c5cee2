"""What can be set: by flag, by an environment variable JAXCHAT_NAME, or by default. One class serves all three."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServeSettings(BaseSettings):
    """Serve a model on the chat completions API.

    With no flag at all the small bundled model answers on http://localhost:8000, with Swagger UI at /ui.
    """

    model_config = SettingsConfigDict(env_prefix="JAXCHAT_", env_prefix_target="all", populate_by_name=True)

    model: str = Field(
        "tiny",
        validation_alias=AliasChoices("model", "hf-model-name"),
        description="tiny (bundled), a checkpoint's folder, or a hub repository as owner/name",
    )
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    host: str = Field("0.0.0.0", description="address to listen on; 127.0.0.1 keeps it to this machine")
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("port", "web-server-port"),
        description="port of the API; 0 takes a free one",
    )
    max_batch_size: PositiveInt = Field(16, description="choices decoded at the same time; more wait in line")
    max_context_length: PositiveInt | None = Field(
        None,
        description="tokens of prompt and answer together; default: what the model allows and memory holds",
    )
    max_queue: PositiveInt = Field(1024, description="choices running or in line; a request beyond them gets 429")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="type of weights and cache; auto is float32 on a CPU and bfloat16 elsewhere"
    )
    compilation_cache: Path = Field(
        Path("~/.cache/jaxchat/compiled"), description="folder of compiled programs, which make later starts fast"
    )
    grammar_cache: Path = Field(
        Path("~/.cache/jaxchat/grammars"),
        description="folder of compiled response formats; a schema or pattern seen before is ready at once",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
