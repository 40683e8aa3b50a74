#!/usr/bin/env bash
# Builds the documentation site into build/site; every warning is an error. Needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh docs
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict
echo "documentation: build/site/index.html"
