"""Who sent the request that is being handled."""

from connexion.context import scope


def current_client() -> str | None:
    """A name for who sent the current request, by which clients are told apart; None where nothing tells."""
    client: str | None = scope["state"]["client"]
    return client
