"""The HTTP side: routes by operationId, checks, translation to and from the engine. Never imports jax."""
