"""Who sent the request that is being handled."""

from connexion.context import scope


def current_client() -> str | None:
    """A name for who sent the current request, by which clients are told apart; None where nothing tells."""
    client: str | None = scope["state"]["client"]
    return client


def current_cache_namespace() -> str | None:
    """Among which prompts the current request may find its own: those of its API key; None, all, without keys."""
    namespace: str | None = scope["state"]["cache_namespace"]
    return namespace
