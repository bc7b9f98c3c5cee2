#!/usr/bin/env bash
# What an accelerator makes of the engine, in less than ten minutes: benchmarks/device.sh OUT [--rehearse]
#
# Every part is a process with a time limit of its own: one that hangs or crashes costs its own figures and no others.
# OUT/results.json has those of all parts, each with the device's name and how it ended; OUT/log.txt what they printed.
# PYTHON: the interpreter, python3 by default. WHEELS: a folder of wheels to install first, without their dependencies.
set -u
out=${1:?usage: benchmarks/device.sh OUT [--rehearse]}
shift
python=${PYTHON:-python3}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
mkdir -p "$out"
: >"$out/log.txt"

if [ -n "${WHEELS:-}" ]; then
  "$python" -m pip install -q --no-index --no-deps "$WHEELS"/*.whl >>"$out/log.txt" 2>&1
fi

part() { # SECONDS NAME ARGUMENTS...
  local limit=$1 name=$2 began=$SECONDS status=0
  shift 2
  echo "== $name" >>"$out/log.txt"
  timeout --kill-after=5 "$limit" "$python" -m benchmarks.device "$name" --out "$parts/$name.json" "$@" \
    >>"$out/log.txt" 2>&1 || status=$?
  echo "$status" >"$parts/$name.status"
  echo "$name: exit status $status after $((SECONDS - began)) s of at most $limit"
  "$python" -m benchmarks.device.collect "$parts" "$out/results.json"
}

part 90 kernels "$@"
part 100 decode-1b "$@"
part 150 decode-8b "$@"
part 90 constrained "$@"
part 60 graphs-off "$@"
part 60 graphs-on "$@"
