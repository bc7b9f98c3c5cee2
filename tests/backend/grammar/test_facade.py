"""What handlers import of the grammar brings neither JAX nor the compiler, which runs in processes of its own."""

import subprocess
import sys


def test_it_loads_neither_jax_nor_what_compiles():
    command = [sys.executable, "-c", "import sys, backend.grammar; print(*sys.modules)"]
    loaded = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    assert "backend.grammar.service.compiler" in loaded
    for heavy in ("jax", "backend.grammar.device", "backend.grammar.compile", "backend.grammar.schema"):
        assert heavy not in loaded
