#!/usr/bin/env bash
# Makes models/demo from nothing but seeds: phantoms, a language model, a tower, mappers, scores.
#
#   demo/make.sh WORKING_FOLDER      18 GB of disk, about 80 minutes on two busy cores
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

[ -e text ] ||
    "$rad3d" phantom --count 8000 --seed 5000000 --as tables --phrasing first --out text
[ -e test ] ||
    "$rad3d" phantom --count 300 --seed 2000000 --sparse 3 --phrasing first --out test
[ -e train/manifest.json ] ||
    "$rad3d" phantom --count 3998 --seed 1000000 --sparse 3 --phrasing first --out train --force

# The tower is fitted to the first 3,000 of them.
[ -e tower-tables ] || "$rad3d" phantom --count 3000 --seed 1000000 --as tables --out tower-tables

"$rad3d" train lm --config lm.toml --out lm --resume
[ -e tower/training.parquet ] || "$rad3d" train tower --config tower.toml --out tower
# Distances are those from the scans that the tower was fitted to.
[ -e tower-scans.parquet ] ||
    "$rad3d" encode merge tower/training.parquet tower/validation.parquet --out tower-scans.parquet
[ -e tower-model ] || "$rad3d" pack --config pack-tower.toml --out tower-model
"$rad3d" encode train/train --model tower-model --out train.parquet
"$rad3d" encode test/train --model tower-model --out test.parquet

"$rad3d" train mapper --config mapper.toml --out v3 --resume
"$rad3d" train mapper --config mapper.toml --out v2 --resume --set priors=false
"$rad3d" train mapper --config mapper.toml --out cue-only --resume --set image=false

for system in v3 v2 cue-only; do
    rm -rf "model-$system"
    "$rad3d" pack --config pack.toml --set "mapper-run=\"$system\"" --out "model-$system"
    "$rad3d" generate test.parquet --model "model-$system" --out "$system.csv" \
        --probabilities probabilities.csv
    "$rad3d" generate test.parquet --model "model-$system" --system shuffled \
        --out "$system-shuffled.csv"
done
for baseline in template majority; do
    "$rad3d" generate test.parquet --model model-v3 --system "$baseline" --out "$baseline.csv" \
        --reports train/train_reports.csv --labels train/train_labels.csv
done
judge() {
    "$rad3d" evaluate --references test/train_reports.csv --hypotheses "$1.csv" \
        --labels test/train_labels.csv --probabilities probabilities.csv "${@:2}"
}
for system in v3 v2 cue-only v3-shuffled v2-shuffled cue-only-shuffled template majority; do
    judge "$system" --out "scores-$system"
done
for other in v3-shuffled v2 cue-only template majority; do
    judge v3 --baseline "$other.csv" --out "v3-against-$other"
done
for other in v2-shuffled majority; do
    judge v2 --baseline "$other.csv" --out "v2-against-$other"
done
echo "The model is $work/model-v3; copy it to models/demo to ship it."
