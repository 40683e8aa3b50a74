#!/usr/bin/env bash
# Every stage on real input: 50 code-davinci-002 samples, the real T5 and GPT-2 vocabularies, the
# published GSM8K, MultiArith, ASDiv and SVAMP files. The student is a tiny T5 with random weights,
# so its accuracy is near zero; what is shown is that every stage works on what users have.
#
#   scripts/real_input.sh DATA_DIR [RUN]
#
# A second call continues, or does nothing where a stage is finished.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/real_input.sh DATA_DIR [RUN]" >&2; exit 2; }
data="$(cd "$1" && pwd)"
here="$(cd "$(dirname "$0")/.." && pwd)"
run="${2:-$here/runs/real_input}"
"$here/scripts/setup.sh" >&2
bin="$here/.venv/bin"
mkdir -p "$run"
cd "$run"

step() { echo "== $*" >&2; }

step "a tiny T5 over the real T5 vocabulary, a tiny GPT-2 over the real GPT-2 vocabulary"
"$bin/python" "$here/scripts/build/build_random_model.py" t5 "$data/tokenizers/t5" student
"$bin/python" "$here/scripts/build/build_random_model.py" gpt2 "$data/tokenizers/gpt2" teacher

cat > real_input.yaml <<YAML
name: real-input
student: student
train_on: {set: gsm8k, path: $data/gsm8k/train.jsonl, limit: 50}
teachers: {codex: {}}
objectives:
  - {name: in-context-cot, format: in-context-cot, target: distribution, teacher: codex}
  - {name: in-context-answer, format: in-context-answer, target: answer}
  - {name: zero-shot-cot, format: zero-shot-cot, target: distribution, teacher: codex}
  - {name: zero-shot-answer, format: zero-shot-answer, target: answer}
training: {checkpoint_every: 20}
optimization: {steps: 60, learning_rate: 1e-3, batch_rows: 8, accumulation: 2}
evaluation:
  formats: [zero-shot-cot]
  max_new_tokens: 48
  sets:
    - {set: gsm8k, role: in-distribution, path: $data/gsm8k/test.jsonl, protocol: first, limit: 50}
    - {set: multiarith, role: out-of-distribution, path: $data/multiarith/MultiArith.json, protocol: first, limit: 50}
    - {set: asdiv, role: out-of-distribution, path: $data/asdiv/ASDiv.xml, protocol: first, limit: 50}
    - {set: svamp, role: out-of-distribution, path: $data/svamp/SVAMP.json, protocol: first, limit: 50}
YAML

step "import the Codex samples"
"$bin/specialize" import codex "$data/codex" run/responses/codex \
  --questions "$data/gsm8k/train.jsonl" --vocabulary "$data/tokenizers/tiktoken/p50k_base.tiktoken"
step "align them to T5"
"$bin/specialize" align run/responses/codex run/targets/codex --student student
step "train"
"$bin/specialize" train real_input.yaml run
step "evaluate every checkpoint on the validation splits"
"$bin/specialize" evaluate run
step "select"
"$bin/specialize" select run
step "score the chosen checkpoint and the student before on the test splits"
"$bin/specialize" evaluate run --split test
step "report"
"$bin/specialize" report run

step "score 200 real rationales with the GPT-2, align them to T5"
"$bin/specialize" dump scored --teacher teacher --data gsm8k --path "$data/gsm8k/train.jsonl" \
  --limit 200 --mode score
"$bin/specialize" align scored scored_targets --student student
for store in run/responses/codex run/targets/codex scored scored_targets; do
  "$bin/specialize" verify "$store" --json
done
