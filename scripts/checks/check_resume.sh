#!/usr/bin/env bash
# Kills a dump and a training run with SIGKILL, again and again, repeats the same command each
# time, and compares what is left with uninterrupted runs, byte for byte.
#
#   scripts/checks/check_resume.sh [RUN]      RUN: a finished quickstart run (default runs/quickstart)
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
run="$(cd "${1:-$here/runs/quickstart}" && pwd)"
specialize="$here/.venv/bin/specialize"
models="$here/specialize/quickstart/models"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

killed=0
until_done() { # SECONDS COMMAND...: kill the command after SECONDS, a little later each time
  local seconds="$1"
  shift
  killed=0
  until timeout --signal=KILL "$seconds" "$@" > "$work/log" 2>&1; do
    killed=$((killed + 1))
    seconds=$((seconds + 3))
    [ "$killed" -lt 30 ] || { cat "$work/log" >&2; exit 1; }
  done 2> /dev/null
}

dump() {
  echo dump "$1" --teacher "$models/teacher" --data jsonl --path "$run/data/shop.train.jsonl" \
    --samples 2 --max-new-tokens 96
}
# shellcheck disable=SC2046
"$specialize" $(dump "$work/whole") > "$work/log"
# shellcheck disable=SC2046
until_done 7 "$specialize" $(dump "$work/killed")
diff -r "$work/whole" "$work/killed"
echo "dump: killed $killed times, store identical"

train() {
  echo train "$run/recipe.yaml" "$1" --set optimization.steps=40 --set training.checkpoint_every=10
}
for name in whole_run killed_run; do
  mkdir -p "$work/$name/targets"
  cp -r "$run/targets/tiny" "$work/$name/targets/"
done
# shellcheck disable=SC2046
"$specialize" $(train "$work/whole_run") > "$work/log"
# shellcheck disable=SC2046
until_done 9 "$specialize" $(train "$work/killed_run")
for step in 000010 000020 000030 000040; do
  cmp "$work"/{whole,killed}_run/checkpoints/step-$step/model.safetensors
done
echo "train: killed $killed times, weights of 4 checkpoints identical"
