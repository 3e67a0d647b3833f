"""Reference values of the label metrics, made with scikit-learn.

Writes crates/rad3d-metrics/tests/fixtures/labels.json: 60 reports and 6 labels drawn from a fixed
seed, with ties among the scores, a label without a case and one without a call; their precision,
recall, F1 under every averaging, AUROC, and the same on one resample.

    python tests/golden/metrics_labels.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

REPORTS, LABELS = 60, 6
OUT = Path(__file__).parents[2] / "crates/rad3d-metrics/tests/fixtures/labels.json"


def scores_of(truth, found, scores):
    out = {}
    for average in ["macro", "micro", "weighted", "samples"]:
        p, r, f, _ = precision_recall_fscore_support(truth, found, average=average, zero_division=0)
        out[average] = [p, r, f]
    p, r, f, _ = precision_recall_fscore_support(truth, found, average=None, zero_division=0)
    out["labels"] = [list(row) for row in zip(p, r, f)]
    areas = [
        roc_auc_score(truth[:, label], scores[:, label]) if len(set(truth[:, label])) == 2 else None
        for label in range(truth.shape[1])
    ]
    out["auroc"] = areas
    out["auroc_macro"] = float(np.mean([area for area in areas if area is not None]))
    return out


def main():
    warnings.filterwarnings("ignore")
    random = np.random.default_rng(7)
    truth = (random.random((REPORTS, LABELS)) < [0.5, 0.3, 0.1, 0.7, 0.0, 0.2]).astype(int)
    scores = np.round(np.clip(0.3 * truth + 0.6 * random.random((REPORTS, LABELS)), 0, 1), 2)
    found = (scores >= [0.4, 0.5, 0.45, 0.3, 0.55, 2.0]).astype(int)
    drawn = random.integers(0, REPORTS, REPORTS)
    fixture = {
        "truth": truth.tolist(),
        "found": found.tolist(),
        "scores": scores.tolist(),
        "drawn": drawn.tolist(),
        "all": scores_of(truth, found, scores),
        "resample": scores_of(truth[drawn], found[drawn], scores[drawn]),
    }
    OUT.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
