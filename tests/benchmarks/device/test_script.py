"""The script for a device, with an interpreter that does what a part may do."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
INTERPRETER = f"""#!/usr/bin/env bash
# -m benchmarks.device PART --out FILE ...
case "$2 $3" in
  "benchmarks.device decode-8b") echo "out of memory"; exit 3 ;;
  "benchmarks.device "*) echo '{{"device": "a chip", "arguments": "'"${{*:6}}"'"}}' > "$5" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


def test_a_part_that_fails_costs_no_other_its_figures(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text(INTERPRETER, encoding="utf-8")
    interpreter.chmod(0o755)
    script = [str(ROOT / "benchmarks" / "device.sh"), str(tmp_path / "out"), "--rehearse"]
    ran = subprocess.run(
        script, cwd=ROOT, env=os.environ | {"PYTHON": str(interpreter)}, capture_output=True, check=True
    )
    found = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert found.pop("decode-8b") == {"exit status": 3}
    assert list(found) == ["kernels", "decode-1b", "constrained", "graphs-off", "graphs-on"]
    assert all(part == {"exit status": 0, "device": "a chip", "arguments": "--rehearse"} for part in found.values())
    assert "out of memory" in (tmp_path / "out" / "log.txt").read_text(encoding="utf-8")
    assert b"decode-8b: exit status 3" in ran.stdout
