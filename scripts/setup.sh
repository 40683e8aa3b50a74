#!/usr/bin/env bash
# Creates .venv beside the checkout's files and installs the project at the exact versions of
# constraints.txt. The argument names extras ("test", or several: "test,server"). A second call does
# nothing while neither pyproject.toml nor constraints.txt has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
extras="${1:-}"
python="${PYTHON:-python3}"
"$python" - <<'PY' || { echo "specialize needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 2; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
stamp=".venv/installed-${extras:-core}"
wanted="$(cat pyproject.toml constraints.txt | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
install() {
  # --no-compile: what is imported is compiled then, a quarter of what is installed
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
    --constraint constraints.txt "$@" 2> >(grep -v "^WARNING: Location" >&2)
}
echo "installing into .venv (a minute or two)" >&2
install --upgrade pip # the one that Python 3.11 brings takes twice as long
install --editable ".${extras:+[$extras]}"
echo "$wanted" > "$stamp"
