"""SmolLM2-135M-Instruct (Q4_1): ours against llama.cpp and `transformers`, two threads each.

Rounds are interleaved (ours in each arithmetic, alone and in a batch of 8, llama.cpp, transformers), each
in a process of its own, and medians of the rounds are printed with the ratios that count. The task:
128 tokens after a prefix of 16 vectors (llama.cpp: 16 ids, which are the same work).

    sh tests/golden/fetch_smollm2.sh
    cargo build --release -p rad3d-nn --example decode_bench
    python benches/decode.py [--rounds 5] [--bench target/release/examples/decode_bench]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".cache/smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PREFIX, TOKENS, THREADS = 16, 128, 2
IDS = [100 + 37 * i for i in range(PREFIX)]


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def llama_cpp():
    from llama_cpp import Llama

    begin = time.perf_counter()
    model = Llama(
        str(FOLDER / GGUF), n_threads=THREADS, n_threads_batch=THREADS, n_ctx=PREFIX + TOKENS + 8, verbose=False
    )
    loaded = time.perf_counter()
    model.eval(IDS)
    token = model.sample(temp=0.0)
    first = time.perf_counter()
    for _ in range(1, TOKENS):
        model.eval([token])
        token = model.sample(temp=0.0)
    speed = (TOKENS - 1) / (time.perf_counter() - first)
    return dict(load_s=loaded - begin, first_token_s=first - begin, tokens_per_s=speed, peak_mb=peak_mb())


def transformers():
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    begin = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=GGUF, dtype=torch.float32).eval()
    loaded = time.perf_counter()
    with torch.no_grad():
        embedded = model.get_input_embeddings()(torch.tensor([IDS]))
        out = model(inputs_embeds=embedded, use_cache=True)
        token = out.logits[:, -1].argmax(-1, keepdim=True)
        first = time.perf_counter()
        for _ in range(1, TOKENS):
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
            token = out.logits[:, -1].argmax(-1, keepdim=True)
    speed = (TOKENS - 1) / (time.perf_counter() - first)
    return dict(load_s=loaded - begin, first_token_s=first - begin, tokens_per_s=speed, peak_mb=peak_mb())


def ours(bench, arithmetic, sequences):
    arguments = [bench, FOLDER / GGUF, arithmetic, sequences, PREFIX, TOKENS, THREADS]
    return json.loads(subprocess.check_output([str(argument) for argument in arguments]))


def other(name):
    return json.loads(subprocess.check_output([sys.executable, __file__, "--only", name]).splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bench", default=ROOT / "target/release/examples/decode_bench")
    parser.add_argument("--only", choices=["llama_cpp", "transformers"])
    options = parser.parse_args()
    if options.only:
        print(json.dumps(globals()[options.only]()))
        return
    runs = {
        "ours fine": lambda: ours(options.bench, "fine", 1),
        "llama.cpp": lambda: other("llama_cpp"),
        "ours fast": lambda: ours(options.bench, "fast", 1),
        "transformers f32": lambda: other("transformers"),
        "ours exact": lambda: ours(options.bench, "exact", 1),
        "ours fine, batch 8": lambda: ours(options.bench, "fine", 8),
        "ours fast, batch 8": lambda: ours(options.bench, "fast", 8),
        "ours exact, batch 8": lambda: ours(options.bench, "exact", 8),
    }
    results = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            results[name].append(run())
    print(f"load average {os.getloadavg()[0]:.1f}, {options.rounds} rounds, medians")
    median = {
        name: {key: statistics.median(run[key] for run in rows) for key in rows[0] if key != "last"} for name, rows in results.items()
    }
    for name, values in median.items():
        print(
            f"{name:20} {values['tokens_per_s']:8.1f} tokens/s, first token {values['first_token_s']:.2f} s, "
            f"peak {values['peak_mb']:.0f} MB"
        )

    def ratio(a, b):
        pairs = zip(results[a], results[b])
        return statistics.median(x["tokens_per_s"] / y["tokens_per_s"] for x, y in pairs)

    for mode in ["fine", "fast", "exact"]:
        print(
            f"{mode}: {ratio(f'ours {mode}', 'llama.cpp'):.2f} × llama.cpp, "
            f"{ratio(f'ours {mode}', 'transformers f32'):.2f} × transformers, "
            f"batch 8 {ratio(f'ours {mode}, batch 8', f'ours {mode}'):.2f} × batch 1"
        )
        one = median[f"ours {mode}"]
        used = one["bytes_per_token"] * one["tokens_per_s"] / 1e9
        print(
            f"  {one['bytes_per_token'] / 1e6:.1f} MB a token, {used:.1f} GB/s of {one['read_gb_per_s']:.1f} GB/s "
            f"that two threads read"
        )


if __name__ == "__main__":
    main()
