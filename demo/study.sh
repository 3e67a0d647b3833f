#!/usr/bin/env bash
# Runs the study that ships, demo/study.toml, from nothing but seeds.
#
#   demo/study.sh WORKING_FOLDER
#
# Tower and training phantoms are those of demo/make.sh, and its working folder can be given: what
# lies there already is taken. Results: WORKING_FOLDER/study/tables.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
work=${1:?give a working folder}
if [ -z "${RAD3D:-}" ]; then
    cargo build --release --locked -p rad3d --features train
    RAD3D=$repository/target/release/rad3d
fi
mkdir -p "$work"
for settings in study recipe tower pack-tower; do
    [ -e "$work/$settings.toml" ] || cp "demo/$settings.toml" "$work"
done
cd "$work"

# As in demo/make.sh: training scans, a tower fitted to them, its embeddings of them.
[ -e train/manifest.json ] ||
    "$RAD3D" phantom --count 3000 --seed 1000000 --sparse 3 --out train --force
[ -e tower/training.parquet ] || [ -e tower-model ] ||
    "$RAD3D" train tower --config tower.toml --out tower
[ -e train.parquet ] ||
    "$RAD3D" encode merge tower/training.parquet tower/validation.parquet --out train.parquet
[ -e tower-model ] || "$RAD3D" pack --config pack-tower.toml --out tower-model

# Reports of the same scans in the target's phrasing; language models learn from other facts, in
# the other phrasing.
count=$(($(wc -l <train/train_labels.csv) - 1))
tables() { # FOLDER COUNT SEED PHRASING
    [ -e "$1" ] ||
        "$RAD3D" phantom --as tables --count "$2" --seed "$3" --phrasing "$4" --out "$1"
}
tables study-training "$count" 1000000 second
tables study-text 4500 5000000 first

# 200 scans by the usual scanners, and 200 of others by other ones.
[ -e study-in/manifest.json ] || "$RAD3D" phantom --count 200 --seed 6000000 --sparse 3 \
    --phrasing second --out study-in --force
[ -e study-out/manifest.json ] || "$RAD3D" phantom --count 200 --seed 7000000 --sparse 3 \
    --phrasing second --scanner other --out study-out --force
tables study-out-first 200 7000000 first
for test in in out; do
    "$RAD3D" encode "study-$test/train" --model tower-model --out "study-$test.parquet"
done

"$RAD3D" study run study.toml --out study
"$RAD3D" study table study
