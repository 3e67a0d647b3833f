"""Reference values of the reader study's statistics, made with scikit-learn, scipy and statsmodels.

Writes crates/rad3d-reader-study/tests/fixtures/statistics.json: quadratic kappas of scores from 1 to
5 (with and without unused scores), Wilcoxon's signed-rank test (exact; exact with ties, by all sign
flips; normal with ties) and Wilson's intervals.

    python tests/golden/reader_study.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import PermutationMethod, wilcoxon
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

OUT = Path(__file__).parents[2] / "crates/rad3d-reader-study/tests/fixtures/statistics.json"
POINTS = [1, 2, 3, 4, 5]


def kappa(random, count, noise, points):
    one = random.choice(points, count)
    other = np.clip(one + random.integers(-noise, noise + 1, count), min(points), max(points))
    # All five scores are named: else the weights would count only those that were given.
    value = cohen_kappa_score(one, other, labels=POINTS, weights="quadratic")
    return {"pairs": [[int(a), int(b)] for a, b in zip(one, other)], "kappa": float(value)}


def signed_rank(differences, method):
    differences = np.asarray(differences, float)
    way = {"exact": "exact", "normal": "asymptotic"}.get(method)
    if way is None:
        way = PermutationMethod(n_resamples=2 ** len(differences))
    found = wilcoxon(differences, zero_method="wilcox", correction=False, method=way)
    kept = differences[differences != 0]
    ranks = np.array([(np.abs(kept) < a).sum() + ((np.abs(kept) == a).sum() + 1) / 2 for a in np.abs(kept)])
    rank_sum = float(ranks[kept > 0].sum())
    return {"differences": differences.tolist(), "method": method, "rank_sum": rank_sum, "p": float(found.pvalue)}


def main():
    random = np.random.default_rng(11)
    kappas = [
        kappa(random, 40, 1, POINTS),
        kappa(random, 25, 2, POINTS),
        kappa(random, 300, 4, POINTS),
        kappa(random, 30, 1, [2, 3, 5]),
        kappa(random, 12, 0, [1, 4]),
        {"pairs": [[1, 5], [5, 1], [2, 4]], "kappa": float(cohen_kappa_score([1, 5, 2], [5, 1, 4], labels=POINTS, weights="quadratic"))},
    ]
    untied = lambda count: (random.permutation(np.arange(1, count + 1)) * random.choice([-1, 1, 1], count)).tolist()
    tied = lambda count: (random.integers(-4, 7, count) / 2).tolist()
    without_zero = lambda count: (random.choice([-2, -1, 1, 2, 3], count) / 2).tolist()
    tests = [
        signed_rank(untied(8), "exact"),
        signed_rank(untied(30), "exact"),
        signed_rank(untied(50), "exact"),
        signed_rank(without_zero(9), "exact-with-ties"),
        signed_rank(without_zero(14), "exact-with-ties"),
        signed_rank(tied(20), "normal"),
        signed_rank(tied(120), "normal"),
    ]
    shares = []
    for count, total in [(0, 10), (10, 10), (3, 17), (1, 400), (55, 120), (1, 1)]:
        low, high = proportion_confint(count, total, alpha=0.05, method="wilson")
        shares.append({"count": count, "total": total, "low": float(low), "high": float(high)})
    OUT.write_text(json.dumps({"kappa": kappas, "wilcoxon": tests, "wilson": shares}) + "\n")


if __name__ == "__main__":
    main()
