#!/usr/bin/env bash
# Sets everything up, then lint, tests, types and documentation. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE # else every process compiles every source again
scripts/setup.sh test,server,docs
.venv/bin/ruff check .
.venv/bin/ruff format --check .

# Types and documentation are checked beside the tests; what they say comes last.
said="$(mktemp -d)"
checks=()
trap 'kill "${checks[@]}" 2> /dev/null || true; rm -rf "$said"' EXIT
.venv/bin/mypy > "$said/0" 2>&1 & checks+=($!)
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict > "$said/1" 2>&1 & checks+=($!)

status=0
.venv/bin/python -m pytest -n auto --dist worksteal "$@" || status=$?
for i in "${!checks[@]}"; do
  wait "${checks[$i]}" || status=$?
  cat "$said/$i"
done
exit "$status"
