"""`jaxchat doctor`: what a start would find on this machine, and what is wrong."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.filesize import decimal

from handlers.cli.loading import describe_task, load_options, read_text_tokenizer, read_tokenizer
from handlers.cli.logs import set_up_logging
from handlers.cli.serve import describe_media, port_fault
from handlers.cli.settings import DoctorSettings
from handlers.server import exit_at_once, listen


@dataclass
class Report:
    """What was found, as (what it is about, what is so), and what is wrong, each with what to do."""

    found: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """As they are printed."""
        for about, text in self.found:
            yield f"{about:<12}{text}"
        yield from (f"WRONG       {fault}" for fault in self.wrong)
        if not self.wrong:
            yield "all is well"


def doctor(settings: DoctorSettings) -> None:
    """Prints the report; ends the process, with status 1 where something is wrong."""
    set_up_logging(settings.log_level)
    report = examine(settings)
    for line in report.lines():
        print(line)
    exit_at_once(1 if report.wrong else 0)


def examine(settings: DoctorSettings) -> Report:
    """The whole report."""
    report = Report()
    for check in (_versions, _device, _package_client, _ports, _caches, _model):
        check(settings, report)
    return report


def _versions(_: DoctorSettings, report: Report) -> None:
    try:
        own = version("jaxchat")
    except PackageNotFoundError:
        own = "not installed"
    report.found.append(("jaxchat", f"{own}, Python {sys.version.split()[0]}"))


def _device(_: DoctorSettings, report: Report) -> None:
    from backend import describe_machine

    try:
        report.found.append(("device", describe_machine()))
    except RuntimeError as error:  # as JAX says that a platform is not to be had
        report.wrong.append(f"no device: {error}")


def _package_client(_: DoctorSettings, report: Report) -> None:
    from backend import package_client

    client = package_client()
    named = "neither pip nor uv; bundled models cannot be downloaded" if client is None else " ".join(client[:-2])
    report.found.append(("client", named))


def _ports(settings: DoctorSettings, report: Report) -> None:
    ports = [("port", settings.port)] + ([("metrics-port", settings.metrics_port)] if settings.metrics else [])
    free = []
    for flag, port in ports:
        try:
            listen(settings.address, port).close()
            free.append(f"{port} is free")
        except OSError as error:
            report.wrong.append(port_fault(flag, settings.address, port, error))
    if free:
        report.found.append(("ports", ", ".join(free)))


def _caches(settings: DoctorSettings, report: Report) -> None:
    for flag in ("model_cache", "compilation_cache", "grammar_cache"):
        folder: Path = getattr(settings, flag).expanduser()
        report.found.append(("folder", f"{folder} ({decimal(_bytes_in(folder))})"))
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            name = flag.replace("_", "-")
            report.wrong.append(f"--{name}: {above} cannot be written; give another --{name}")


def _bytes_in(folder: Path) -> int:
    sizes = 0
    for path, _, files in os.walk(folder):
        for file in files:
            try:
                sizes += (Path(path) / file).stat().st_size
            except OSError:  # a server that runs may have removed it meanwhile
                continue
    return sizes


def _model(settings: DoctorSettings, report: Report) -> None:
    from backend import download_bytes, examine, family_of, modalities_of, resolve_checkpoint

    options = load_options(settings)
    try:
        if download := download_bytes(options):
            report.found.append(("checkpoint", f"{settings.model}: the first start downloads {decimal(download)}"))
            return
        path = resolve_checkpoint(options)
        report.found.append(("checkpoint", f"{path} ({family_of(path)})"))
        report.found += [(about, text) for about, _, text in (line.partition(": ") for line in examine(options, path))]
    except (ValueError, RuntimeError) as error:
        report.wrong.append(str(error))
        return
    try:
        report.found.append(_purpose(settings, path))
    except ValueError as error:
        report.wrong.append(str(error))
    if modalities := modalities_of(path):
        report.found.append(("media", describe_media(settings, modalities)))
    report.found.append(("names", ", ".join(settings.model_names)))


def _purpose(settings: DoctorSettings, path: Path) -> tuple[str, str]:
    """How the model would answer, or what it is for in place of that. Raises ValueError where it has no tokenizer."""
    from backend import pooling_of

    pooling = pooling_of(path)
    if pooling is not None:
        read_text_tokenizer(path, pooling)
        return "task", describe_task(pooling)
    format = read_tokenizer(settings, path)[0].format
    return "answers", f"tool calls as {format.tool_name}, reasoning as {format.reasoning_name}"
