"""`jaxchat models`: the models that this machine has, or can have by name."""

from rich.filesize import decimal

from backend import LocalModel, list_models
from handlers.cli.settings import ModelsSettings


def models(settings: ModelsSettings) -> None:
    """Prints a line per model."""
    print("\n".join(table(list_models(settings.model_cache))))


def table(found: list[LocalModel]) -> list[str]:
    """Lines of name, family, size, whether it is here, and what it is, in columns."""
    rows = [
        (model.name, model.family, decimal(model.size), "here" if model.local else "to download", model.about)
        for model in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
