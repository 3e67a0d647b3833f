#!/usr/bin/env bash
# Runs the study that ships, demo/study.toml.
#
#   demo/study.sh WORKING_FOLDER
#
# The folder is that of demo/make.sh, which has to have run: tower, embeddings and the largest
# language model are taken from it. Results: WORKING_FOLDER/study/tables.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
work=${1:?give the working folder of demo/make.sh}
for needed in train.parquet test.parquet text tower-model lm/llm; do
    [ -e "$work/$needed" ] || {
        echo "$work holds no $needed; run demo/make.sh $work first" >&2
        exit 2
    }
done
if [ -z "${RAD3D:-}" ]; then
    cargo build --release --locked -p rad3d --features train
    RAD3D=$repository/target/release/rad3d
fi
cp demo/study.toml "$work"
cd "$work"

# The same facts as the demo's scans, reported in the other phrasing.
tables() { # FOLDER COUNT SEED PHRASING
    [ -e "$1" ] ||
        "$RAD3D" phantom --as tables --count "$2" --seed "$3" --phrasing "$4" --out "$1"
}
tables study-training 3998 1000000 second
tables study-in 300 2000000 second

# 200 scans of other facts by other scanners, reported in either phrasing.
[ -e study-out/manifest.json ] || "$RAD3D" phantom --count 200 --seed 7000000 --sparse 3 \
    --phrasing second --scanner other --out study-out --force
tables study-out-first 200 7000000 first
"$RAD3D" encode study-out/train --model tower-model --out study-out.parquet

"$RAD3D" study run study.toml --out study
"$RAD3D" study table study
