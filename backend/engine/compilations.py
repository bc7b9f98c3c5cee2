"""How many programs XLA has compiled in this process, so that one compiled under load does not go unnoticed."""

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_count = 0


def compilations() -> int:
    """How many programs XLA compiled, or read from the compilation cache, since this module was imported."""
    return _count


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    global _count
    _count += event == _EVENT


jax.monitoring.register_event_duration_secs_listener(_listen)
