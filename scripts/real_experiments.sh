#!/usr/bin/env bash
# The experiments on real models and published texts, X11 and X12, each with one command: what they
# read is put into OUT/inputs, and `specialize experiment` does the rest. SmolLM2-135M-Instruct is
# downloaded. For X11 it is tuned to be the teacher, and six of its thirty layers are the students, in
# its own vocabulary and in others; for X12 it is the student itself.
#
#   scripts/real_experiments.sh X11|X12 --data DATA_DIR [OUT]
#
# DATA_DIR ($SPECIALIZE_DATA) holds the published sets, rationales and vocabularies, as
# docs/results.md names them. A second call continues.
# What follows costs: `specialize experiment X11 --dry-run`; it needs nothing of this.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
usage() { echo "usage: scripts/real_experiments.sh X11|X12 --data DATA_DIR [OUT]" >&2; exit 2; }
name="" data="${SPECIALIZE_DATA:-}" out=""
while [ $# -gt 0 ]; do
  case "$1" in
    --data) shift; data="${1:?--data wants a directory}" ;;
    X11|X12) name="$1" ;;
    -*) usage ;;
    *) out="$1" ;;
  esac
  shift
done
[ -n "$name" ] && [ -n "$data" ] || usage
data="$(cd "$data" && pwd)"
out="${out:-$here/runs/$name}"
"$here/scripts/setup.sh" real,lora >&2
bin="$here/.venv/bin" build="$here/scripts/build"
mkdir -p "$out/inputs/models"
cd "$out"

"$here/scripts/real_model/download.sh" inputs/SmolLM2.gguf
[ -e inputs/data ] || ln -s "$data" inputs/data
case "$name" in
  X11*)
    "$bin/python" "$build/prune_layers.py" inputs/SmolLM2.gguf inputs/models/own --keep 6
    for vocabulary in t5 gpt2; do
      "$bin/python" "$build/remake_vocabulary.py" inputs/models/own \
        "inputs/data/tokenizers/$vocabulary" "inputs/models/$vocabulary"
    done
    if [ ! -d inputs/models/teacher ]; then
      tail -n 360 inputs/data/gsm8k/train.jsonl > inputs/tuning.jsonl
      "$bin/specialize" train "$here/scripts/real_model/tuned.yaml" tuned
      mv tuned/checkpoints/step-000060 inputs/models/teacher
      rm -r tuned
    fi
    ;;
esac
"$bin/specialize" experiment "$name" --out .
