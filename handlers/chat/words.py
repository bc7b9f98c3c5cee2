"""What an API calls the fields of a chat request: errors and ignored fields are told in the words of who asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    """Paths of fields in the words of the API that was spoken.

    paths: path in the vendored document's words -> the same field's path in the body that was sent, for those that
    differ; what stands below a field is told below that path. It has as many members as the request, not as the API.
    """

    paths: Mapping[str, str] = field(default_factory=dict)

    def and_also(self, others: "Words") -> "Words":
        """Both together."""
        return Words({**self.paths, **others.paths})

    def told(self, path: str) -> str:
        """The path as the client knows it: by the longest beginning of it that is called otherwise there."""
        known = path
        while known not in self.paths:
            known, dot, _ = known.rpartition(".")
            if not dot:
                return path
        return self.paths[known] + path[len(known) :]


VENDORED = Words()
"""Those of the vendored document."""
