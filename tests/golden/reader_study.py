"""Reference values of the reader study's statistics.

Writes crates/rad3d-reader-study/tests/fixtures/statistics.json: quadratically weighted kappas from
scikit-learn, Wilcoxon signed-rank tests from SciPy (exact without ties, exact over all signs with
ties, normal), Wilson intervals from statsmodels.

    python tests/golden/reader_study.py
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import PermutationMethod, wilcoxon
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

OUT = Path(__file__).parents[2] / "crates/rad3d-reader-study/tests/fixtures/statistics.json"
POINTS = [1, 2, 3, 4, 5]


def kappas(random):
    pairs = [
        ([3, 3, 3], [3, 3, 3]),
        ([3, 3, 3], [4, 4, 4]),
        ([1, 5], [5, 1]),
        (POINTS, POINTS),
        (POINTS, POINTS[::-1]),
    ]
    for size, noise in [(10, 1.0), (40, 0.5), (40, 2.0), (300, 1.0)]:
        truth = random.integers(1, 6, size)
        reader = lambda: np.clip(np.rint(truth + noise * random.normal(size=size)), 1, 5).astype(int)
        pairs.append((reader().tolist(), reader().tolist()))
    found = []
    for first, second in pairs:
        kappa = cohen_kappa_score(first, second, labels=POINTS, weights="quadratic")
        kappa = None if math.isnan(kappa) else float(kappa)
        found.append({"first": first, "second": second, "kappa": kappa})
    return found


def signed_ranks(random):
    # Without ties and zeros, SciPy's exact distribution.
    cases = [("exact", np.round(random.normal(0.4, 1, size), 6)) for size in [1, 2, 5, 12, 30, 50]]
    # With ties and zeros: means of three readers' whole differences.
    means = lambda size, shift: np.rint(random.normal(shift, 2, size)) / 3
    cases += [("permutation", means(size, shift)) for size, shift in [(4, 1), (9, 0), (13, 1), (18, 0.7)]]
    cases += [("asymptotic", means(size, shift)) for size, shift in [(90, 0), (120, 0.5), (400, 0.3)]]
    cases += [("asymptotic", np.round(random.normal(0.2, 1, 51), 6))]
    found = []
    for method, differences in cases:
        how = PermutationMethod(n_resamples=2**19) if method == "permutation" else method
        # The same number must have the same bits, or ties are none.
        snapped = np.rint(differences * 3e6) / 3e6
        result = wilcoxon(snapped, zero_method="wilcox", correction=False, method=how)
        found.append({
            "method": method,
            "differences": differences.tolist(),
            "statistic": float(result.statistic),
            "p": float(result.pvalue),
        })
    return found


def shares():
    trials = [(0, 1), (1, 1), (0, 20), (1, 20), (10, 20), (19, 20), (20, 20), (37, 412)]
    found = []
    for hits, count in trials:
        low, high = proportion_confint(hits, count, alpha=0.05, method="wilson")
        found.append({"hits": hits, "trials": count, "low": float(low), "high": float(high)})
    return found


def main():
    warnings.filterwarnings("ignore")
    random = np.random.default_rng(11)
    fixture = {"kappas": kappas(random), "signed_ranks": signed_ranks(random), "shares": shares()}
    OUT.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
