"""Who sent the request that is being handled."""

from connexion.context import scope


def current_client() -> str | None:
    """The address that the current request came from, by which clients are told apart; None where it has none."""
    address = scope.get("client")
    return None if address is None else str(address[0])
