#!/usr/bin/env bash
# Step-by-step and TinyLLM, with their baselines, on the published files: PaLM's rationales for CQA
# and SVAMP, FLAN-T5's and LLaMA-2's for OBQA, ARC, PubMedQA and PIQA, over the real T5 vocabulary.
# The student is a tiny T5 with random weights, so accuracy is near chance; what is shown is that
# every split is read, every record accounted for, and every recipe runs from import to report.
#
#   scripts/real_multitask.sh DATA_DIR [RUNS]
#
# A second call continues, or does nothing where a run is finished. STEPS sets the optimizer steps.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/real_multitask.sh DATA_DIR [RUNS]" >&2; exit 2; }
data="$(cd "$1" && pwd)"
here="$(cd "$(dirname "$0")/.." && pwd)"
runs="${2:-$here/runs/real_multitask}"
steps="${STEPS:-200}"
"$here/scripts/setup.sh" >&2
bin="$here/.venv/bin"
mkdir -p "$runs"
cd "$runs"
started=$SECONDS

step() { echo "== $((SECONDS - started)) s: $*" >&2; }

step "a tiny T5 over the real T5 vocabulary"
"$bin/python" "$here/scripts/build/build_random_model.py" t5 "$data/tokenizers/t5" student

# imported KIND SET FOLDER SPLIT: one published split into stores/, with its account
imported() {
  local kind=$1 set=$2 folder=$3 split=$4 stem out
  stem="$(basename "$folder")"
  out="stores/$kind-$stem-$split"
  [ -f "$out.json" ] && return
  "$bin/specialize" import "$kind" "$folder/llm" "$out" --data "$set" \
    --path "$folder/${stem}_$split.json" --split "$split" --json > "$out.json.partial"
  mv "$out.json.partial" "$out.json"
  echo "$set/$split $(cat "$out.json")"
}

# trained NAME RECIPE SET FOLDER STORE [--set KEY=VALUE ...]: a recipe from its targets to its report
trained() {
  local name=$1 recipe=$2 set=$3 folder=$4 store=$5
  shift 5
  if [ -f "$name/report.md" ]; then return; fi
  step "$name"
  mkdir -p "$name/responses"
  [ "$store" = none ] || cp -rn "$store" "$name/responses/"
  "$bin/specialize" run "$recipe" --out "$name" --json --set "name=$name" --set student=student \
    --set "train_on.set=$set" --set "train_on.path=$folder" \
    --set "evaluation.sets.0.set=$set" --set "evaluation.sets.0.path=$folder" \
    --set "optimization.steps=$steps" --set optimization.learning_rate=1e-3 \
    --set optimization.batch_rows=12 --set optimization.accumulation=1 \
    --set "training.checkpoint_every=$steps" --set evaluation.max_new_tokens=10 "$@"
}

mkdir -p stores
step "import every split"
for split in train test; do
  imported palm cqa "$data/step_by_step/cqa" "$split"
  imported palm svamp-equation "$data/step_by_step/svamp" "$split"
done
for split in valid test; do imported palm anli-r1 "$data/step_by_step/anli1" "$split"; done
for set in obqa arc pubmedqa; do
  for split in train valid test; do imported tinyllm "$set" "$data/tinyllm/$set" "$split"; done
done
imported tinyllm piqa "$data/tinyllm/piqa" valid

cqa="$data/step_by_step/cqa" svamp="$data/step_by_step/svamp" obqa="$data/tinyllm/obqa"
mkdir -p palm/cqa palm/svamp
for set in cqa svamp; do
  [ -d "palm/$set/palm" ] || cp -r "stores/palm-$set-train" "palm/$set/palm"
done
trained cqa-step-by-step step-by-step cqa "$cqa" palm/cqa/palm
trained cqa-fine-tuning fine-tuning cqa "$cqa" none
trained cqa-distillation distillation cqa "$cqa" palm/cqa/palm
trained cqa-single-task single-task cqa "$cqa" palm/cqa/palm
trained svamp-step-by-step step-by-step svamp-equation "$svamp" palm/svamp/palm \
  --set 'objectives.0.format=answer:[label]' --set 'objectives.1.format=rationale:[rationale]' \
  --set 'evaluation.formats=["answer:[label]"]' --set objectives.0.weight=1 \
  --set objectives.1.weight=1 --set train_on.fraction=0.5

for set in obqa arc pubmedqa; do
  trained "$set-tinyllm" tinyllm "$set" "$data/tinyllm/$set" "stores/tinyllm-$set-train/."
done
trained obqa-labels tinyllm-labels obqa "$obqa" none
if "$bin/python" -c "import peft" 2> /dev/null; then trained obqa-lora tinyllm-lora obqa "$obqa" none; fi
trained obqa-step-by-step step-by-step obqa "$obqa" stores/tinyllm-obqa-train/flan-t5 \
  --set "teachers={flan-t5: {}}" --set objectives.1.teacher=flan-t5 --set objectives.1.keep=sound
# PIQA has no training split here: its validation split teaches, ARC's splits judge
trained piqa-tinyllm tinyllm piqa "$data/tinyllm/piqa/piqa_valid.json" stores/tinyllm-piqa-valid/. \
  --set train_on.split=null --set evaluation.sets.0.set=arc --set "evaluation.sets.0.path=$data/tinyllm/arc"

step "done"
for report in */report.md; do
  "$bin/python" - "$(dirname "$report")" <<'PY'
import json, sys
from pathlib import Path
run = Path(sys.argv[1])
scores = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
told = {f"{s['checkpoint']}/{s['split']}": s["accuracy"] for s in scores}
print(json.dumps({"run": run.name, "scores": told}))
PY
done
