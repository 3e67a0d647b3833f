"""The full-size image tower against PyTorch, interleaved, with random weights.

    cargo build --release -p rad3d-nn --example tower_bench
    python benches/tower.py --binary target/release/examples/tower_bench [--rounds 3] [--threads 2]

The PyTorch side follows the order of operations of the published code as described in
shared/spec/ct-clip.md sections 2 and 4: the bias network runs over all 331,776 pairs of tokens in
every pass, attention is plain (scores, softmax, product), the codebook search holds the whole
similarity matrix and builds a one-hot matrix from it. Both sides read the same weight file and the
same volume, and their embeddings are compared. Needs torch, numpy, safetensors.
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

DIM, HEADS, HEAD_DIM, CODES, LATENT, DEPTH = 512, 8, 32, 8192, 512, 4
T = H = W = 24
INNER, HIDDEN = HEADS * HEAD_DIM, DIM * 8 // 3
GFLOP_NEEDED = 791.0
SPATIAL, TEMPORAL = "enc_spatial_transformer", "enc_temporal_transformer"


def shapes():
    """Name to shape of every tensor that the embedding depends on."""
    v = "visual_transformer."
    out = {
        v + "to_patch_emb.1.weight": [4000],
        v + "to_patch_emb.1.bias": [4000],
        v + "to_patch_emb.2.weight": [DIM, 4000],
        v + "to_patch_emb.2.bias": [DIM],
        v + "to_patch_emb.3.weight": [DIM],
        v + "to_patch_emb.3.bias": [DIM],
        v + "spatial_rel_pos_bias.net.0.0.weight": [DIM, 2],
        v + "spatial_rel_pos_bias.net.0.0.bias": [DIM],
        v + "spatial_rel_pos_bias.net.1.0.weight": [DIM, DIM],
        v + "spatial_rel_pos_bias.net.1.0.bias": [DIM],
        v + "spatial_rel_pos_bias.net.2.weight": [HEADS, DIM],
        v + "spatial_rel_pos_bias.net.2.bias": [HEADS],
        v + "vq._codebook.embed": [1, CODES, DIM],
        "to_visual_latent.weight": [LATENT, H * W * DIM],
    }
    for stack in (SPATIAL, TEMPORAL):
        out[f"{v}{stack}.norm_out.gamma"] = out[f"{v}{stack}.norm_out.beta"] = [DIM]
        for layer in range(DEPTH):
            p = f"{v}{stack}.layers.{layer}."
            out |= {
                p + "0.dsconv.weight": [DIM, 1, 3, 3, 3],
                p + "0.dsconv.bias": [DIM],
                p + "1.norm.gamma": [DIM],
                p + "1.norm.beta": [DIM],
                p + "1.to_q.weight": [INNER, DIM],
                p + "1.to_kv.weight": [2 * INNER, DIM],
                p + "1.q_scale": [HEAD_DIM],
                p + "1.k_scale": [HEAD_DIM],
                p + "1.to_out.weight": [DIM, INNER],
                p + "3.0.weight": [DIM],
                p + "3.0.bias": [DIM],
                p + "3.1.weight": [2 * HIDDEN, DIM],
                p + "3.4.weight": [DIM, HIDDEN],
            }
    return out


def make_inputs(folder):
    """Writes random weights (of sensible sizes) and a volume, once."""
    import numpy as np
    from safetensors.numpy import save_file

    weights, volume = folder / "tower.safetensors", folder / "volume.f32"
    if weights.exists() and volume.exists():
        return weights, volume
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    tensors = {}
    for name, shape in shapes().items():
        values = rng.standard_normal(shape, dtype=np.float32)
        gain = name.endswith(("gamma", "_scale")) or (len(shape) == 1 and name.endswith("weight"))
        if gain:
            values = 1 + 0.1 * values
        elif len(shape) == 1:
            values *= 0.1
        elif not name.endswith("embed"):
            values /= np.sqrt(np.prod(shape[1:]), dtype=np.float32)
        tensors[name] = values
    save_file(tensors, weights)
    rng.uniform(-1, 1, 240 * 480 * 480).astype(np.float32).tofile(volume)
    return weights, volume


class Reference:
    """The published order of operations in plain torch."""

    def __init__(self, path):
        from safetensors.torch import load_file

        tensors = load_file(path)
        prefix = "visual_transformer."
        self.p = {name.removeprefix(prefix): value for name, value in tensors.items()}

    def norm(self, x, name, gain="weight", shift="bias"):
        import torch.nn.functional as F

        return F.layer_norm(x, x.shape[-1:], self.p[f"{name}.{gain}"], self.p[f"{name}.{shift}"])

    def bias(self):
        import torch
        import torch.nn.functional as F

        place = torch.stack(torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij"))
        place = place.flatten(1).t()
        offset = place[:, None] - place[None, :]
        x = torch.sign(offset) * torch.log(offset.abs() + 1)
        net = "spatial_rel_pos_bias.net."
        for layer in ("0.0", "1.0"):
            weight, bias = self.p[f"{net}{layer}.weight"], self.p[f"{net}{layer}.bias"]
            x = F.leaky_relu(F.linear(x.float(), weight, bias), 0.1)
        return F.linear(x, self.p[net + "2.weight"], self.p[net + "2.bias"]).permute(2, 0, 1)

    def attention(self, x, p, bias):
        import torch.nn.functional as F

        rows, tokens, _ = x.shape
        q = F.linear(self.norm(x, p + "norm", "gamma", "beta"), self.p[p + "to_q.weight"])
        k, v = F.linear(x, self.p[p + "to_kv.weight"]).chunk(2, dim=-1)
        q, k, v = (y.view(rows, tokens, HEADS, HEAD_DIM).transpose(1, 2) for y in (q, k, v))
        q = F.normalize(q, dim=-1) * self.p[p + "q_scale"]
        k = F.normalize(k, dim=-1) * self.p[p + "k_scale"]
        scores = q @ k.transpose(-1, -2) * 8
        if bias is not None:
            scores = scores + bias
        out = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(rows, tokens, INNER)
        return F.linear(out, self.p[p + "to_out.weight"])

    def stack(self, x, name, bias):
        import torch.nn.functional as F

        rows, tokens, _ = x.shape
        for layer in range(DEPTH):
            p = f"{name}.layers.{layer}."
            grid = x.reshape(1, T, H, W, DIM).permute(0, 4, 1, 2, 3)
            grid = F.pad(grid, (1, 1, 1, 1, 2, 0))
            peg = F.conv3d(
                grid, self.p[p + "0.dsconv.weight"], self.p[p + "0.dsconv.bias"], groups=DIM
            )
            x = x + peg.permute(0, 2, 3, 4, 1).reshape(rows, tokens, DIM)
            x = x + self.attention(x, p + "1.", bias)
            y = F.linear(self.norm(x, p + "3.0"), self.p[p + "3.1.weight"])
            value, gate = y.chunk(2, dim=-1)
            x = x + F.linear(value * F.gelu(gate), self.p[p + "3.4.weight"])
        return self.norm(x, name + ".norm_out", "gamma", "beta")

    def encode(self, volume):
        import torch.nn.functional as F

        x = volume.view(1, 1, T, 10, H, 20, W, 20).permute(0, 2, 4, 6, 1, 3, 5, 7)
        x = self.norm(x.reshape(1, T, H, W, 4000), "to_patch_emb.1")
        x = F.linear(x, self.p["to_patch_emb.2.weight"], self.p["to_patch_emb.2.bias"])
        x = self.norm(x, "to_patch_emb.3")
        x = self.stack(x.reshape(T, H * W, DIM), SPATIAL, self.bias())
        x = x.view(1, T, H, W, DIM).permute(0, 2, 3, 1, 4).reshape(H * W, T, DIM)
        x = self.stack(x, TEMPORAL, None)
        x = x.view(1, H, W, T, DIM).permute(0, 3, 1, 2, 4).reshape(T * H * W, DIM)
        embed = self.p["vq._codebook.embed"][0]
        similarity = F.normalize(x, dim=-1) @ F.normalize(embed, dim=-1).t()
        codes = similarity.argmax(dim=-1)
        F.one_hot(codes, CODES)  # built by the reference in inference too, and not used
        x = embed[codes].view(1, T, H, W, DIM).mean(dim=1).flatten(1)
        return F.normalize(F.linear(x, self.p["to_visual_latent.weight"]), dim=-1)


def worker(weights, volume, threads):
    """Speaks the protocol of the Rust example."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    started = time.perf_counter()
    model = Reference(weights)
    print(json.dumps({"load_s": time.perf_counter() - started}), flush=True)
    data = torch.from_numpy(np.fromfile(volume, dtype=np.float32))
    with torch.inference_mode():
        for _ in sys.stdin:
            started, cpu = time.perf_counter(), time.process_time()
            latent = model.encode(data)
            answer = {
                "seconds": time.perf_counter() - started,
                "cpu_s": time.process_time() - cpu,
                "latent": latent[0].tolist(),
            }
            print(json.dumps(answer), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"peak_rss_mb": peak}))


def sgemm_peak(threads):
    """Best of several 2048 cubed f32 products in torch, GFLOP/s."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = 0.0
    for _ in range(8):
        started = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - started) / 1e9)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/examples/tower_bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/rad3d-tower-bench"))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    weights, volume = make_inputs(options.folder)
    if options.worker:
        return worker(weights, volume, options.threads)

    threads = str(options.threads)
    environment = os.environ | {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    itself = [sys.executable, __file__, "--worker", "--threads", threads]
    commands = {
        "PyTorch": itself + ["--folder", str(options.folder)],
        "rad3d": [options.binary, str(weights), str(volume)],
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    sides = {
        name: subprocess.Popen(command, env=environment, **pipes)
        for name, command in commands.items()
    }
    loads = {name: json.loads(side.stdout.readline())["load_s"] for name, side in sides.items()}
    times, latents = {name: [] for name in sides}, {}
    cpu = {name: [] for name in sides}
    for round_ in range(options.rounds + 1):
        for name, side in sides.items():
            side.stdin.write("\n")
            side.stdin.flush()
            answer = json.loads(side.stdout.readline())
            latents[name] = answer["latent"]
            if round_:  # the first round warms caches and is not counted
                times[name].append(answer["seconds"])
                cpu[name].append(answer["cpu_s"])
    peaks = {}
    for name, side in sides.items():
        side.stdin.close()
        peaks[name] = json.loads(side.stdout.readline())["peak_rss_mb"]
        side.wait()

    cosine = sum(a * b for a, b in zip(latents["PyTorch"], latents["rad3d"]))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{options.threads} threads, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds")
    print(f"{'':10}{'median s':>10}{'all s':>30}{'cpu s':>8}{'load s':>8}{'peak MB':>9}{'GFLOP/s':>9}")
    for name, values in times.items():
        every = " ".join(f"{value:.2f}" for value in values)
        rate = GFLOP_NEEDED / medians[name]
        print(
            f"{name:10}{medians[name]:10.2f}{every:>30}{statistics.median(cpu[name]):8.2f}"
            f"{loads[name]:8.2f}{peaks[name]:9.0f}{rate:9.0f}"
        )
    ratios = [ours / theirs for ours, theirs in zip(times["rad3d"], times["PyTorch"])]
    print(f"ratio {medians['rad3d'] / medians['PyTorch']:.3f}, by round "
          + " ".join(f"{ratio:.3f}" for ratio in ratios) + ", of processor time "
          f"{statistics.median(cpu['rad3d']) / statistics.median(cpu['PyTorch']):.3f}")
    peak = sgemm_peak(options.threads)
    print(f"f32 product in torch {peak:.0f} GFLOP/s: floor of the 791 GFLOP needed "
          f"{GFLOP_NEEDED / peak:.2f} s, reached {GFLOP_NEEDED / peak / medians['rad3d']:.0%} of it")
    print(f"cosine of the two embeddings {cosine:.7f}")


if __name__ == "__main__":
    main()
