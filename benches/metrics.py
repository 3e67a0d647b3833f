"""BLEU, ROUGE and METEOR of 3,000 pairs of CT length: rad3d-metrics against the Python packages.

    cargo build --release -p rad3d-metrics --example score_pairs
    python benches/metrics.py --nltk-data DIR [--pairs 3000] [--rounds 3]

DIR is a folder nltk_data with punkt_tab and WordNet 3.0. Texts are made here from sentences of our
own, 200 to 280 words a report, hypotheses with sentences dropped, swapped and exchanged. The two
sides take turns, metric by metric, in every round; the best round of each counts, since other work
on the machine only ever adds time. Both sides read the same file, and their scores must agree to
1e-6. Python: sacrebleu's 13a tokenizer with the corpus formula of Hugging Face evaluate,
rouge_score without stemmer, nltk.translate.meteor_score; versions in
tests/golden/requirements.txt.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FINDINGS = [
    "{} is observed in the {} lobe of the {} lung.",
    "A nodule of {} mm is seen in the {} lobe of the {} lung.",
    "Millimetric {} lymph nodes are present in the {} station on the {} side.",
    "No {} is detected around the {} structures on the {} side.",
    "The diameter of the {} aorta is {} mm and within normal limits at the {} level.",
    "There is mild {} of the {} branches, more prominent on the {}.",
]
WORDS = [
    ["Consolidation", "Ground-glass opacity", "Linear atelectasis", "Emphysema", "Bronchiectasis"],
    ["upper", "lower", "middle", "ascending", "descending", "paratracheal", "hilar", "peripheral"],
    ["right", "left"],
]


def sentence(rng):
    pattern = rng.choice(FINDINGS)
    filled = [rng.choice(words) for words in WORDS]
    if pattern.startswith(("A nodule", "The diameter")):
        filled[0 if pattern.startswith("A nodule") else 1] = str(rng.randint(3, 45))
    return pattern.format(*filled)


def report(rng, words):
    sentences = []
    while sum(len(one.split()) for one in sentences) < words:
        sentences.append(sentence(rng))
    return sentences


def pairs(count):
    rng = random.Random(20240613)
    for _ in range(count):
        reference = report(rng, rng.randint(200, 280))
        hypothesis = [one if rng.random() < 0.6 else sentence(rng) for one in reference]
        hypothesis = [one for one in hypothesis if rng.random() < 0.9]
        if rng.random() < 0.5:
            rng.shuffle(hypothesis)
        yield " ".join(reference), " ".join(hypothesis)


def bleu(pairs):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    matches, totals, lengths = [0] * 4, [0] * 4, [0, 0]
    for reference, hypothesis in pairs:
        r, h = tokenize(reference).split(), tokenize(hypothesis).split()
        lengths[0] += len(r)
        lengths[1] += len(h)
        for order in range(1, 5):
            grams = [Counter(zip(*(side[i:] for i in range(order)))) for side in (r, h)]
            matches[order - 1] += sum((grams[0] & grams[1]).values())
            totals[order - 1] += max(len(h) - order + 1, 0)
    ratio = lengths[1] / lengths[0]
    penalty = 1.0 if ratio > 1 else math.exp(1 - 1 / ratio)
    logs = [math.log(m / t) for m, t in zip(matches, totals)]
    return [penalty * math.exp(sum(logs[:n]) / n) for n in range(1, 5)]


def rouge(pairs):
    from rouge_score.rouge_scorer import RougeScorer

    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names)
    scores = [scorer.score(reference, hypothesis) for reference, hypothesis in pairs]
    return [sum(score[name].fmeasure for score in scores) / len(scores) for name in names]


def meteor(pairs):
    from nltk import word_tokenize
    from nltk.translate.meteor_score import single_meteor_score

    scores = [single_meteor_score(word_tokenize(r), word_tokenize(h)) for r, h in pairs]
    return sum(scores) / len(scores)


def flat(value):
    return value if isinstance(value, list) else [value]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nltk-data", required=True, type=Path)
    arguments.add_argument("--pairs", type=int, default=3000)
    arguments.add_argument("--rounds", type=int, default=3)
    program = ROOT / "target/release/examples/score_pairs"
    arguments.add_argument("--program", type=Path, default=program)
    arguments = arguments.parse_args()
    import nltk

    nltk.data.path.insert(0, str(arguments.nltk_data))
    nltk.corpus.wordnet.synsets("lung")
    texts = list(pairs(arguments.pairs))
    words = sum(len(r.split()) for r, _ in texts) / len(texts)
    print(f"{len(texts)} pairs, {words:.0f} words a reference, {os.cpu_count()} cores")
    python, rust, scores = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for side, name in enumerate(["references", "hypotheses"]):
            path = Path(folder) / f"{name}.jsonl"
            rows = [{"id": f"{at:05}", "report": pair[side]} for at, pair in enumerate(texts)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            files.append(path)
        for at in range(arguments.rounds):
            print(f"round {at + 1}, load average {os.getloadavg()[0]:.2f}", flush=True)
            command = [arguments.program, *files, arguments.nltk_data]
            made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            for name, seconds in made["seconds"].items():
                rust[name] = min(seconds, rust.get(name, math.inf))
            for name, score in [("bleu", bleu), ("rouge", rouge), ("meteor", meteor)]:
                start = time.perf_counter()
                scores[name] = score(texts)
                seconds = time.perf_counter() - start
                python[name] = min(seconds, python.get(name, math.inf))
    worst = 0.0
    for name, seconds in python.items():
        both = zip(flat(scores[name]), flat(made["scores"][name]))
        worst = max([worst, *(abs(a - b) for a, b in both)])
        print(f"{name:8} {seconds:8.2f} s Python {rust[name]:8.3f} s rad3d {seconds / rust[name]:7.0f} x")
    ours = sum(rust[name] for name in python)
    total = sum(python.values())
    print(f"{'all':8} {total:8.2f} s Python {ours:8.3f} s rad3d {total / ours:7.0f} x")
    for name, seconds in rust.items():
        if name not in python:
            print(f"{name}: {seconds:.2f} s")
    print(f"largest difference of a score: {worst:.1e}")
    if worst > 1e-6:
        sys.exit("scores differ by more than 1e-6")


if __name__ == "__main__":
    main()
