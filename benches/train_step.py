"""A training step of V-3 through the frozen SmolLM2-135M: rad3d against PyTorch, two threads each.

Batch 4 x 160 tokens, 10 prefix vectors, an 8-layer mapper of width 576, Adam. The two sides take
turns, each round in processes of their own; medians of the steps after the first. Then the language
model's part alone, frozen and trained: its time, and its floating-point operations as counted in the
run and as on paper.

    sh tests/golden/fetch_smollm2.sh
    cargo build --release -p rad3d-train --features engine --example step_bench
    cargo build --release -p rad3d-nn --example gradient_bench
    python benches/train_step.py [--rounds 3] [--steps 6]
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
BATCH, TOKENS, PREFIX, LAYERS, HEADS, THREADS = 4, 160, 10, 8, 8, 2


def pytorch(steps):
    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    llm = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=GGUF, dtype=torch.float32).eval()
    llm.requires_grad_(False)
    width = llm.config.hidden_size

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.q = nn.Linear(width, width, bias=False)
            self.kv = nn.Linear(width, 2 * width, bias=False)
            self.project = nn.Linear(width, width)
            self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

        def forward(self, x):
            b, n, _ = x.shape
            y = self.norm1(x)
            q = self.q(y).reshape(b, n, HEADS, -1).transpose(1, 2)
            k, v = self.kv(y).reshape(b, n, 2, HEADS, -1).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v)
            x = x + self.project(y.transpose(1, 2).reshape(b, n, width))
            return x + self.fc2(torch.relu(self.fc1(self.norm2(x))))

    class Mapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(512 + 18, PREFIX * width)
            self.const = nn.Parameter(torch.randn(PREFIX, width))
            self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))

        def forward(self, x):
            x = self.linear(x).reshape(len(x), PREFIX, width)
            return self.layers(torch.cat([x, self.const.expand(len(x), -1, -1)], 1))[:, PREFIX:]

    mapper = Mapper()
    optimiser = torch.optim.Adam(mapper.parameters(), lr=2e-5)
    inputs = torch.randn(BATCH, 512 + 18)
    ids = torch.randint(0, llm.config.vocab_size, (BATCH, TOKENS))
    embedded = llm.get_input_embeddings()(ids)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        optimiser.zero_grad()
        whole = torch.cat([mapper(inputs), embedded], 1)
        logits = llm(inputs_embeds=whole).logits[:, PREFIX - 1 : -1]
        loss = nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids.reshape(-1))
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(dict(step_s=seconds[1:], peak_mb=peak)))


def run(arguments):
    environment = os.environ | {"RAYON_NUM_THREADS": str(THREADS)}
    told = subprocess.check_output([str(a) for a in arguments], env=environment, stderr=subprocess.DEVNULL)
    return json.loads(told.decode().strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--bench", type=Path, default=ROOT / "target/release/examples/step_bench")
    parser.add_argument("--gradient-bench", type=Path, default=ROOT / "target/release/examples/gradient_bench")
    parser.add_argument("--pytorch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pytorch:
        return pytorch(options.steps)
    sides = {
        "PyTorch": [sys.executable, __file__, "--pytorch", "--steps", options.steps],
        "rad3d": [options.bench, FOLDER / GGUF, options.steps],
    }
    found = {name: [] for name in sides}
    for number in range(options.rounds):
        print(f"round {number + 1}, load average {os.getloadavg()[0]:.2f}", flush=True)
        for name, arguments in sides.items():
            found[name].append(run(arguments))
    step, peak = {}, {}
    for name, rounds in found.items():
        step[name] = statistics.median(s for one in rounds for s in one["step_s"])
        peak[name] = statistics.median(one["peak_mb"] for one in rounds)
        medians = [round(statistics.median(one["step_s"]), 2) for one in rounds]
        print(f"{name:8} {step[name]:.2f} s a step (rounds {medians}), peak {peak[name]:.0f} MB")
    print(f"time {step['rad3d'] / step['PyTorch']:.2f} x, memory {peak['rad3d'] / peak['PyTorch']:.2f} x PyTorch's")
    for mode in ["frozen", "trained"]:
        part = run([options.gradient_bench, FOLDER / GGUF, mode, options.steps])
        print(
            f"language model {mode}: {part['gflop_counted']:.1f} GFLOP counted, {part['gflop_on_paper']:.1f} on paper, "
            f"{part['median_s']:.2f} s, {part['gflop_counted'] / part['median_s']:.0f} GFLOP/s"
        )


if __name__ == "__main__":
    main()
