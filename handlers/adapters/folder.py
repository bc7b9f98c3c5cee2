"""Where adapters may be loaded from while the server runs: folders in a folder of the operator's, nothing else."""

from pathlib import Path, PurePosixPath

from handlers.http.errors import APIError, invalid

FILES = ("adapter_config.json", "adapter_model.safetensors")


def adapter_folder(root: Path, path: str, param: str) -> Path:
    """The folder of an adapter at a path in `root`, or at an absolute path that leads there.

    No part of the path behind `root` may go up or be a link, nor may the adapter's files: else a request could have any
    file of the machine read. Raises APIError 422 that names `param`.
    """
    given = PurePosixPath(path)
    if given.is_absolute():
        if not given.is_relative_to(root):
            raise _refused(param)
        given = given.relative_to(root)
    if not given.parts or ".." in given.parts or "\0" in path:
        raise _refused(param)
    folder = root
    for part in given.parts:
        folder = folder / part
        if folder.is_symlink():
            raise _refused(param)
    if not folder.is_dir():
        raise invalid(f"{param}: there is no such folder in the server's folder of adapters", param)
    if any((folder / name).is_symlink() for name in FILES):
        raise _refused(param)
    return folder


def _refused(param: str) -> APIError:
    return invalid(
        f"{param} must lead to a folder in the server's folder of adapters, without links and without ..", param
    )
