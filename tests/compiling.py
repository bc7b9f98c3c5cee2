"""How XLA compiles programs that run a few times: in less than half of the time, to slower ones."""

import jax

SERVED: dict[str, int | bool] = {"xla_backend_optimization_level": 3}
"""Options of the compiler as a server has them, for programs of which more is asserted than what they compute."""
QUICK: dict[str, int | bool] = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later ones know one way of writing kernels, and end the process over its option
    SERVED["xla_cpu_use_fusion_emitters"] = True
    QUICK["xla_cpu_use_fusion_emitters"] = False
QUICK_FLAGS = " ".join(f"--{name}={str(value).lower()}" for name, value in QUICK.items())
"""The same for the environment variable XLA_FLAGS."""


def on_devices(count: int) -> dict[str, str]:
    """The environment of a process that has so many devices, processors all of them, and compiles quickly."""
    flags = f"--xla_force_host_platform_device_count={count} {QUICK_FLAGS}"
    return {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": "."}
