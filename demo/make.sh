#!/usr/bin/env bash
# Makes models/demo from nothing but seeds: phantoms, a language model, a tower, mappers, scores.
#
#   demo/make.sh WORKING_FOLDER      13 GB of disk
#
# Its steps were run one by one; the whole was never timed. On two shared cores training took about
# 30 minutes (language model), 8 (tower), 14 (V-3) and 9 (V-1).
#
# Every step that has finished is skipped when the script is started again, and training goes on
# from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
work=${1:?give a working folder}
cargo build --release --locked -p rad3d --features train
rad3d=$repository/target/release/rad3d
mkdir -p "$work"
cp demo/*.toml "$work"
cd "$work"

[ -e text ] || "$rad3d" phantom --count 7000 --seed 5000000 --as tables --out text
[ -e test ] || "$rad3d" phantom --count 300 --seed 2000000 --sparse 3 --out test
[ -e train/manifest.json ] ||
    "$rad3d" phantom --count 3000 --seed 1000000 --sparse 3 --out train --force

"$rad3d" train lm --config lm.toml --out lm --resume
[ -e tower/training.parquet ] || "$rad3d" train tower --config tower.toml --out tower
[ -e train.parquet ] ||
    "$rad3d" encode merge tower/training.parquet tower/validation.parquet --out train.parquet
[ -e tower-model ] ||
    "$rad3d" pack --config pack-tower.toml --out tower-model
"$rad3d" encode test/train --model tower-model --out test.parquet

"$rad3d" train mapper --config mapper.toml --out v3 --resume
"$rad3d" train mapper --config mapper.toml --out v2 --resume --set priors=false
"$rad3d" train mapper --config mapper.toml --out cue-only --resume --set image=false

# The shipped mapper: V-1 with priors. From V-3 on, the language model learns too; frozen, one of
# this size hardly heeds its prefix.
"$rad3d" train mapper --config mapper.toml --out v1-priors --resume \
    --set 'llm-mode="trained"' --set 'start="v3/mapper.safetensors"' --set fit.epochs=1 \
    --set fit.learning-rate=1e-3 --set fit.warmup-steps=20
mkdir -p llm-tuned
cp lm/llm/*.json llm-tuned
cp v1-priors/llm.safetensors llm-tuned/model.safetensors

for system in v1-priors v3 v2 cue-only; do
    rm -rf "model-$system"
    case $system in
    v1-priors) llm=llm-tuned ;;
    *) llm=lm/llm ;;
    esac
    "$rad3d" pack --config pack.toml --set "mapper-run=\"$system\"" --set "llm=\"$llm\"" \
        --out "model-$system"
    "$rad3d" generate test.parquet --model "model-$system" --out "$system.csv" \
        --probabilities probabilities.csv
done
for system in v1-priors v3; do
    "$rad3d" generate test.parquet --model "model-$system" --system shuffled \
        --out "$system-shuffled.csv"
done
for baseline in template majority; do
    "$rad3d" generate test.parquet --model model-v1-priors --system "$baseline" --out "$baseline.csv" \
        --reports train/train_reports.csv --labels train/train_labels.csv
done
for system in v1-priors v3 v2 cue-only v1-priors-shuffled v3-shuffled template majority; do
    "$rad3d" evaluate --references test/train_reports.csv --hypotheses "$system.csv" \
        --labels test/train_labels.csv --probabilities probabilities.csv --out "scores-$system"
done
for system in v1-priors v3; do
    "$rad3d" evaluate --references test/train_reports.csv --hypotheses "$system.csv" \
        --baseline "$system-shuffled.csv" --labels test/train_labels.csv --out "seen-$system"
done
echo "The model is $work/model-v1-priors; copy it to models/demo to ship it."
