"""Chat templates for checkpoints that have none, or another than is wanted: shipped ones by name, others from a file.

A shipped one frames the turns of a conversation and no more: what it has no place for is written as text
(handlers/text/tools_as_text.py).
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "templates"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.jinja")))
"""The shipped ones."""


def read_chat_template(template: str) -> str:
    """The Jinja text of a shipped template's name, or of a file. Raises ValueError where there is neither."""
    if template in NAMES:
        return (FOLDER / f"{template}.jinja").read_text()
    path = Path(template).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {template}, and no template of that name; there are {', '.join(NAMES)}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{template} cannot be read: {error}") from error
