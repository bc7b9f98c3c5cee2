"""What can be set: by flag, by an environment variable JAXCHAT_NAME, or by default. One class serves all three."""

import re
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    ByteSize,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode, SettingsConfigDict

from backend import CATALOGUE, MODEL_CACHE
from handlers.adapters.settings import AdapterSettings
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.media.settings import HOST_NAME, MediaSettings, read_names
from handlers.text.chat_templates import NAMES, read_chat_template

LogLevel = Literal["debug", "info", "warning", "error"]
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\s*A-Z]+")
_GGUF_ENDING = re.compile(r"(-\d{5}-of-\d{5})?\.gguf$")


class ModelSettings(BaseSettings):
    """A model, and how it is loaded and run."""

    model_config = SettingsConfigDict(env_prefix="JAXCHAT_", env_prefix_target="all", populate_by_name=True)

    model: str = Field(
        "tiny",
        validation_alias=AliasChoices("model", "hf-model-name"),
        description=f"{', '.join(CATALOGUE)} (bundled), a checkpoint's folder, a GGUF file, or a hub repository as "
        "owner/name; it generates, embeds or classifies, as its files say",
    )
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    max_batch_size: PositiveInt = Field(16, description="choices decoded at the same time; more wait in line")
    max_context_length: PositiveInt | None = Field(
        None,
        description="tokens of prompt and answer together; default: what the model allows and memory holds",
    )
    max_queue: PositiveInt = Field(
        1024,
        description="choices running or in line; a request beyond them gets 429, and so does a client that has three "
        "times as many as there are places left",
    )
    memory_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        description="on a CPU, the part of the memory that is available which weights and cache may take, the rest "
        "being for what is computed (default 0.8); of an accelerator's memory, what all of it may take (default 0.97)",
    )
    cuda_graphs: CliImplicitFlag[bool] = Field(
        False,
        description="on NVIDIA GPUs, make each dispatch of decoding steps one CUDA graph, loops included; it compiles, "
        "and no device has run it yet",
    )
    kv_cache_tokens: PositiveInt | None = Field(
        None,
        description="tokens whose keys and values the cache holds for all choices together; default: as many as the "
        "batch can use and memory holds, on a CPU 512 MiB of them, or one context if it takes more, of 1 GiB at most",
    )
    kv_cache_dtype: Literal["auto", "float32", "bfloat16", "float8_e4m3", "int8"] = Field(
        "auto",
        description="type of the keys and values in the cache; fewer bits hold more tokens and are less exact; auto is "
        "the type in which they are computed: float32 on a CPU, elsewhere that of --dtype",
    )
    media_cache_bytes: NonNegativeInt = Field(
        256 << 20,
        description="bytes of embeddings of pictures, sound and film that are kept for prompts that have them again",
    )
    deterministic: CliImplicitFlag[bool] = Field(
        False,
        description="give a seed the very same tokens under any load, at a cost in speed; otherwise batches of other "
        "sizes may round differently",
    )
    coordinator: str | None = Field(
        None,
        description="host:port of the first of several processes that serve one model together, one per host; it "
        "answers requests, the others follow it; auto is what SLURM, GKE and TPU pods say of themselves",
    )
    num_processes: PositiveInt | None = Field(None, description="how many processes there are, with --coordinator")
    process_id: NonNegativeInt | None = Field(None, description="which of them this is, from 0, with --coordinator")
    mesh: str | None = Field(
        None,
        description="devices that are used: model=4 splits the model over four (tensor parallelism), data=2,model=4 "
        "also shares the choices out over two such groups, each with the whole model; default: one group of all GPUs "
        "or TPUs that there are, on all hosts",
    )
    stall_timeout: PositiveFloat = Field(
        300,
        allow_inf_nan=False,
        description="seconds that the device may compute at one step; a longer one is taken for a device that hangs, "
        "and everybody who waits is told",
    )
    chat_template: str | None = Field(
        None,
        description=f"chat template instead of the checkpoint's own: {', '.join(NAMES)}, or a file of Jinja",
    )
    tool_format: str | None = Field(
        None,
        description=f"how the model writes tool calls: {', '.join(TOOL_SYNTAXES)}; default: as its chat template does",
    )
    reasoning_format: str | None = Field(
        None,
        description=f"how the model marks reasoning: {', '.join(REASONING_SYNTAXES)}; default: as its template does",
    )
    parse_reasoning: CliImplicitFlag[bool] = Field(
        False, description="tell reasoning apart in answers to requests that say nothing of parse_reasoning"
    )
    generation_config: Literal["none", "auto"] = Field(
        "none",
        description="whose sampling parameters hold where a request names none: none, those of the API document; "
        "auto, those that the checkpoint's generation_config.json or GGUF file recommends",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="type of weights that are not quantised; auto is what the checkpoint has on a CPU, where "
        "products are exact, and bfloat16 elsewhere; bfloat16 on a CPU also multiplies in it, up to twice as fast",
    )
    quantization: Literal["auto", "none", "int8", "int4", "fp8"] = Field(
        "auto",
        description="weights in few bits: auto keeps what the checkpoint has, none makes floats of it, the others "
        "quantise every kernel that has more bits; int8 costs next to nothing in quality and halves a step's time",
    )
    model_cache: Path = Field(
        MODEL_CACHE,
        description="folder that keeps what bundled models download; repositories are in the hub's own cache",
    )
    compilation_cache: Path = Field(
        Path("~/.cache/jaxchat/compiled"), description="folder of compiled programs, which make later starts fast"
    )
    json_whitespace: Literal["model", "compact", "spaced", "indented"] = Field(
        "model",
        description="look of JSON in constrained answers and calls: compact has no white space, spaced one space "
        "behind each comma and colon, indented a line per item and two spaces per level; model is the one of them, or "
        "of other indentations, that the model begins",
    )
    json_numbers: Literal["bounded", "any"] = Field(
        "bounded",
        description="digits of numbers in constrained answers and calls: bounded to 19 before the point and 17 behind "
        "it unless the schema has more, or any",
    )
    grammar_cache: Path = Field(
        Path("~/.cache/jaxchat/grammars"),
        description="folder of compiled response formats; a schema or pattern seen before is ready at once",
    )

    @field_validator("chat_template")
    @classmethod
    def _can_be_read(cls, template: str | None) -> str | None:
        if template is not None:
            read_chat_template(template)
        return template

    @field_validator("tool_format", "reasoning_format")
    @classmethod
    def _is_known(cls, name: str | None, info: ValidationInfo) -> str | None:
        known = TOOL_SYNTAXES if info.field_name == "tool_format" else REASONING_SYNTAXES
        if name is not None and name not in known:
            raise ValueError(f"there is no such format; there are {', '.join(known)}")
        return name


class ServeSettings(MediaSettings, AdapterSettings, ModelSettings):
    """Serve a model on the chat completions API.

    With no flag at all the small bundled model answers on http://localhost:8000, with a page to talk to it at / and
    Swagger UI at /ui.

    Requests are traced where OpenTelemetry's variables say so (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER) and
    jaxchat[otel] is installed.
    """

    served_model_name: Annotated[list[str], NoDecode] = Field(
        [],
        description="name that requests may give as `model`, and that answers carry; give the flag once per name, "
        "answers carry the first; default: the name of the folder, file or repository",
    )
    host: str | None = Field(
        None,
        description="address to listen on, 0.0.0.0 for all of this machine's; default: 127.0.0.1, which only this "
        "machine reaches, or all where an API key is set",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("port", "web-server-port"),
        description="port of the API; 0 takes a free one",
    )
    api_key: Annotated[list[str], NoDecode] = Field(
        [],
        description="key that every request must have, as `Authorization: Bearer KEY` or `x-api-key: KEY`; give the "
        "flag once per key; others on this machine see flags, so rather set JAXCHAT_API_KEY, or use --api-key-file",
        repr=False,
    )
    api_key_file: Path | None = Field(None, description="file with API keys, one a line")
    open_monitoring: CliImplicitFlag[bool] = Field(
        True, description="whether /health and the metrics are answered without an API key"
    )
    metrics_key: Annotated[list[str], NoDecode] = Field(
        [],
        description="key that whoever asks for the metrics must have, as `Authorization: Bearer KEY`, and that opens "
        "nothing else; give the flag once per key, or set JAXCHAT_METRICS_KEY; default: none, or the API keys with "
        "--no-open-monitoring",
        repr=False,
    )
    page: CliImplicitFlag[bool] = Field(
        True, description="whether to serve a page at / on which people talk to the model in their browser"
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        [],
        description="site whose pages may ask, such as https://example.org, or * for all; give the flag once per site; "
        "default: none but this server's own",
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [],
        description="name under which requests may come, beside localhost, where only this machine reaches the server; "
        "give the flag once per name; where other machines do, every name is taken unless the flag is given",
    )
    trusted_proxies: str | None = Field(
        None,
        description="addresses, separated by commas, of proxies whose X-Forwarded-For and -Proto are believed, * for "
        "all; default: none",
    )
    ssl_certfile: Path | None = Field(None, description="certificate with its chain, to serve HTTPS; needs its key")
    ssl_keyfile: Path | None = Field(None, description="private key of the certificate")
    metrics_port: int = Field(
        8281, ge=0, le=65535, description="port of the Prometheus metrics, at /metrics; 0 takes a free one"
    )
    metrics: CliImplicitFlag[bool] = Field(True, description="whether to serve metrics on a port of their own")
    max_connections: PositiveInt = Field(
        4096,
        description="connections open at a time; beyond them requests get 503, but for /health; fewer where the system "
        "lets this process have fewer open files",
    )
    keep_alive: PositiveFloat = Field(
        75,
        allow_inf_nan=False,
        description="seconds that a connection is kept from an answer to the next request; longer than a proxy in "
        "front keeps it, which may else send a request while it is being closed",
    )
    max_body_bytes: PositiveInt | None = Field(
        None, description="bytes of a request; default: 8 per token of the model's context, at least 2 MiB"
    )
    request_timeout: PositiveFloat | None = Field(
        None,
        allow_inf_nan=False,
        description="seconds from a request's arrival to the end of its answer; default: no limit",
    )
    strict: CliImplicitFlag[bool] = Field(
        False,
        description="take what the Friendli Container API's document says and nothing more of OpenAI's API",
    )
    clamp_max_tokens: CliImplicitFlag[bool] = Field(
        False,
        description="answer with what the context has room for where max_tokens is more, and name it as ignored, in "
        "place of an error",
    )
    report_cached_tokens: CliImplicitFlag[bool] = Field(
        True,
        description="tell in `usage` how many tokens of a prompt were in the cache, which all share who ask with the "
        "same API key, or with none",
    )
    response_store: Literal["off"] | ByteSize = Field(
        ByteSize(64 << 20),
        description="memory for responses of /v1/responses that others may follow, such as 256MiB, or off; each is "
        "kept for --response-lifetime, unless there is no room, when the oldest goes of the client that takes most",
    )
    response_lifetime: PositiveFloat = Field(
        24 * 3600, allow_inf_nan=False, description="seconds that a response is kept at most"
    )
    drain_timeout: NonNegativeFloat = Field(
        30,
        allow_inf_nan=False,
        description="seconds that running requests may go on after the first SIGTERM or SIGINT; the second ends them",
    )
    exit_on_failure: CliImplicitFlag[bool] = Field(
        False,
        description="end the process with status 1 where the model cannot answer any more, for a supervisor that "
        "starts it anew; otherwise /health says so with 503",
    )
    log_level: LogLevel = Field("info", description="how much to log")
    log_format: Literal["text", "json"] = Field("text", description="log as lines for people or as JSON objects")

    @property
    def address(self) -> str:
        """The address to listen on."""
        return self.host or ("0.0.0.0" if self.keys else "127.0.0.1")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All API keys; none where everybody may ask."""
        lines = [] if self.api_key_file is None else self.api_key_file.read_text().splitlines()
        return tuple(dict.fromkeys([*self.api_key, *filter(None, map(str.strip, lines))]))

    @property
    def metrics_keys(self) -> tuple[str, ...]:
        """The keys of which a request for the metrics must have one; none where everybody may ask."""
        return tuple(self.metrics_key) or (() if self.open_monitoring else self.keys)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile go together; give both, or none")
        for name in ("api_key_file", "ssl_certfile", "ssl_keyfile"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise ValueError(f"{name}: there is no file {file}")
        if self.coordinator not in (None, "auto") and (self.num_processes is None or self.process_id is None):
            raise ValueError("coordinator: give --num-processes and --process-id with it, or auto")
        if self.coordinator is None and (self.num_processes is not None or self.process_id is not None):
            raise ValueError("num_processes and process_id are of several that have a --coordinator; give it, or none")
        if self.api_key_file is not None and not self.keys:
            raise ValueError(f"api_key_file: {self.api_key_file} has no keys; write one a line")
        if taken := self.adapters.keys() & set(self.model_names):
            raise ValueError(f"adapter: {min(taken)!r} is a name of the model; give the adapter another by NAME=")
        return self

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names that a request's `model` may have; the first is the one that answers carry."""
        return tuple(self.served_model_name) or default_names(self.model)

    @field_validator("served_model_name", "api_key", "metrics_key", "allowed_origins", "allowed_hosts", mode="before")
    @classmethod
    def _are_names(cls, names: object) -> object:
        return read_names(names)

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no site; write https://example.org, in lower case and without a path")
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not (_is_network(host) if ":" in host else HOST_NAME.fullmatch(host)):
                raise ValueError(f"{host!r} is no name of a host; write example.org, without scheme, port and path")
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, proxies: str | None) -> str | None:
        for proxy in () if proxies is None else map(str.strip, proxies.split(",")):
            if proxy != "*" and not _is_network(proxy):
                raise ValueError(f"{proxy!r} is no address or network; write 10.0.0.1, 10.0.0.0/8, or * for all")
        return proxies


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def default_names(model: str) -> tuple[str, ...]:
    """The names of a model that was given none: what its folder or file is called, a repository with and without owner.

    model: as `--model` has it. The path itself is none of its names: it says where this machine keeps the model.
    """
    path = Path(model).expanduser()
    if path.exists() or model.startswith((".", "/", "~")):
        name = path.name if path.name not in ("", "..") else path.resolve().name
        return (_GGUF_ENDING.sub("", name) or model,)
    return tuple(dict.fromkeys((model, path.name)))
