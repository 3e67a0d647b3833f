"""Cuts the reference scores of text metrics down to what the tests compare.

Reads a folder with pairs.jsonl, scores.json, tokens.json, porter_nltk_stems.json,
punkt_sentences_synth.json and wordnet_synonyms_sample.json, the outputs of nltk 3.10.4,
sacrebleu 2.6.0, rouge_score 0.1.2 and pycocoevalcap 1.2 on 50 pairs of texts written for the
purpose, and a folder nltk_data with WordNet 3.0, from which NLTK takes the synonyms of the words in
them; writes crates/rad3d-metrics/tests/fixtures/text.json.

    python tests/golden/metrics_text.py FOLDER NLTK_DATA
"""

import json
import sys
from pathlib import Path

import nltk
from nltk.corpus import wordnet
from nltk.stem import PorterStemmer

OUT = Path(__file__).parents[2] / "crates/rad3d-metrics/tests/fixtures/text.json"
# Scores of models, of the Java METEOR, and of averages that no program here offers.
LEFT_OUT = ("bertscore", "meteor15", "hf_aggregator", "precisions", "m5", "m6", "m7", "note")


def cut(value):
    if isinstance(value, dict):
        return {k: cut(v) for k, v in value.items() if not any(word in k for word in LEFT_OUT)}
    return value


def synonyms(pairs, tokens):
    """What METEOR looks up: words and their stems, in lower case."""
    texts = [pair[side] for pair in pairs for side in ("reference", "hypothesis")]
    words = {word for text in texts for word in text.lower().split()}
    for both in tokens.values():
        for name in ("nltk_word", "ptb"):
            words.update(word.lower() for side in both[name].values() for word in side)
    words |= {PorterStemmer().stem(word) for word in words}
    found = {}
    for word in sorted(words):
        lemmas = (lemma.name() for synset in wordnet.synsets(word) for lemma in synset.lemmas())
        names = {name for name in lemmas if "_" not in name} | {word}
        if names != {word}:
            found[word] = sorted(names)
    return found


def main():
    nltk.data.path.insert(0, sys.argv[2])
    folder = Path(sys.argv[1])
    load = lambda name: json.loads((folder / name).read_text())
    scores, tokens = load("scores.json")["synth"], load("tokens.json")
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    fixture = {
        "pairs": pairs,
        "scores": cut(scores["pairs"]),
        "corpus": cut(scores["corpus"]),
        "corpus_ids": scores["corpus_ids"],
        "tokens": {
            name: {pair: both[name] for pair, both in tokens.items()}
            for name in ["ws", "nltk_word", "13a", "rouge", "rouge_stem", "ptb"]
        },
        "sentences": load("punkt_sentences_synth.json"),
        "stems": load("porter_nltk_stems.json"),
        "synonyms": synonyms(pairs, tokens),
        # Words of radiology reports; those that WordNet does not know are left out.
        "synonyms_sample": {word: names for word, names in load("wordnet_synonyms_sample.json")["syn"].items() if names != [word]},
    }
    OUT.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
