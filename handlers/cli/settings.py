"""What can be set of the commands beside `jaxchat serve`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend import MODEL_CACHE
from handlers.settings import LogLevel, ModelSettings, ServeSettings


class ChatSettings(ModelSettings):
    """Talk to a model in the terminal.

    The model is loaded in this process, unless --url names a server that runs. Answers come while they are written,
    reasoning dimmed; Ctrl-C stops one, Ctrl-D ends. /help lists what else can be typed.

    Where standard input is a pipe each line is a message, and its answer is a line of output:
    echo "What is the capital of France?" | jaxchat chat --model smollm2
    """

    url: str | None = Field(
        None, description="talk to the server at this address instead, such as http://localhost:8000"
    )
    system: str | None = Field(None, description="system message: tell the model who it is; /system changes it")
    temperature: NonNegativeFloat | None = Field(
        None, allow_inf_nan=False, description="how freely answers are drawn, 0 for the likeliest; default: the model's"
    )
    max_tokens: PositiveInt | None = Field(
        None, description="tokens of an answer at most; default: what the context holds"
    )
    generation_config: Literal["none", "auto"] = Field(
        "auto",
        description="auto, the sampling parameters that the checkpoint recommends; none, those of the API document",
    )
    max_batch_size: PositiveInt = Field(1, description="choices decoded at the same time; a conversation needs one")
    log_level: LogLevel = Field("warning", description="how much to log")


class BenchSettings(ModelSettings):
    """Measure how fast a model is on this machine: one line of tokens per second and time to the first token.

    The engine alone is measured, without HTTP: --rows streams at a time, each with a prompt of its own of 128 random
    tokens and 64 tokens of output; the median of 5 rounds behind one that warms up.
    """

    rows: PositiveInt = Field(1, description="streams at the same time")
    log_level: LogLevel = Field("warning", description="how much to log")


class ModelsSettings(BaseSettings):
    """List the models that --model takes on this machine: those with a name of their own, and the hub's cache.

    A name, the family, the size on the disk, and what it is. Every hub repository can be named too, as owner/name, and
    every folder or GGUF file by its path; what is not on this machine is downloaded by the first start.
    """

    model_config = SettingsConfigDict(env_prefix="JAXCHAT_")

    model_cache: Path = Field(MODEL_CACHE, description="folder that keeps what bundled models download")


class DoctorSettings(ServeSettings):
    """Say what `jaxchat serve` would find with the same flags, and what is wrong; nothing is loaded or downloaded.

    Device and memory, package client, ports, caches, and the model: its size in memory, its context, the cache beside
    it, its adapters, and what it takes beside text. The exit status is 1 where something is wrong.
    """

    log_level: LogLevel = Field("warning", description="how much to log")
