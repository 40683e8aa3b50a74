#!/usr/bin/env bash
# Sets everything up and runs the whole method on the bundled models. Arguments go to
# `specialize quickstart` (see `specialize quickstart --help`).
set -euo pipefail
unset PYTHONDONTWRITEBYTECODE # else every process compiles every source again
here="$(cd "$(dirname "$0")/.." && pwd)"
"$here/scripts/setup.sh" >&2
exec "$here/.venv/bin/specialize" quickstart "$@"
