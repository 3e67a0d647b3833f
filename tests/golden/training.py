"""Ten steps of V-1, V-2, V-3, linear and R2GenGPT on a tiny model in PyTorch: losses and the
trained parameters, for crates/rad3d-train/tests/parity.rs.

Run: python tests/golden/training.py     (torch, transformers, tokenizers, safetensors as pinned)
"""
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parents[2] / "crates/rad3d-train/tests/fixtures/parity"
WIDTH, LATENT, LABELS, PREFIX, CLIP, LAYERS, HEADS = 32, 12, 18, 3, 2, 2, 8
WORDS = "the heart is normal effusion right left lung clear no nodule seen in small large".split()
REPORTS = ["heart is normal lung clear", "small effusion right lung", "no nodule seen", "large nodule in the left lung"]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.kv = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x):
        y = self.norm1(x)
        b, n, _ = y.shape
        q = self.q(y).reshape(b, n, HEADS, -1)
        k, v = self.kv(y).reshape(b, n, 2, HEADS, -1).unbind(2)
        a = torch.einsum("bnhd,bmhd->bnmh", q, k) * (WIDTH // HEADS) ** -0.5
        x = x + self.project(torch.einsum("bnmh,bmhd->bnhd", a.softmax(2), v).reshape(b, n, WIDTH))
        return x + self.fc2(torch.relu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.linear = nn.Linear(inputs, CLIP * WIDTH)
        self.prefix_const = nn.Parameter(torch.randn(PREFIX, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, x):
        x = self.linear(x).reshape(len(x), CLIP, WIDTH)
        x = torch.cat([x, self.prefix_const.expand(len(x), -1, -1)], 1)
        for layer in self.layers:
            x = layer(x)
        return x[:, CLIP:]

    def named(self):
        out = {"linear.weight": self.linear.weight, "linear.bias": self.linear.bias, "prefix_const": self.prefix_const}
        for i, layer in enumerate(self.layers):
            parts = {"norm1": layer.norm1, "norm2": layer.norm2, "attn.to_queries": layer.q,
                     "attn.to_keys_values": layer.kv, "attn.project": layer.project,
                     "mlp.fc1": layer.fc1, "mlp.fc2": layer.fc2}
            for part, module in parts.items():
                for kind, p in module.named_parameters():
                    out[f"transformer.layers.{i}.{part}.{kind}"] = p
        return out


class Linear(nn.Module):
    def __init__(self, inputs, norm):
        super().__init__()
        self.linear = nn.Linear(inputs, PREFIX * WIDTH)
        self.norm = nn.LayerNorm(WIDTH) if norm else None

    def forward(self, x):
        x = self.linear(x).reshape(len(x), PREFIX, WIDTH)
        return self.norm(x) if self.norm else x

    def named(self):
        name = "llama_proj" if self.norm else "linear"
        out = {f"{name}.{k}": p for k, p in self.linear.named_parameters()}
        if self.norm:
            out |= {f"layer_norm.{k}": p for k, p in self.norm.named_parameters()}
        return out


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2} | {w: i + 3 for i, w in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    llm_folder = OUT / "llm"
    config = LlamaConfig(vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                         tie_word_embeddings=True, bos_token_id=0, eos_token_id=1, rms_norm_eps=1e-5)
    llm = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for p in llm.parameters():
            p.copy_(torch.randn_like(p) * 0.2 if p.ndim > 1 else torch.ones_like(p))
    llm.save_pretrained(llm_folder)
    tokenizer.save(str(llm_folder / "tokenizer.json"))
    (llm_folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    start = {k: v.clone() for k, v in llm.state_dict().items()}
    embeddings, logits = torch.randn(len(REPORTS), LATENT), torch.randn(len(REPORTS), LABELS)
    tokens = [tokenizer.encode(r).ids + [1] for r in REPORTS]
    prompt = "Human: <Img><ImageHere></Img> Describe this chest CT in a detailed report. \nAssistant:".split("<ImageHere>")
    runs = {}
    for name, kind, priors, trained in [("v1", "transformer", False, True), ("v2", "transformer", False, False),
                                        ("v3", "transformer", True, False), ("linear", "linear", True, False),
                                        ("r2gengpt", "r2gengpt", False, False)]:
        llm.load_state_dict(start)
        inputs = torch.cat([embeddings, logits], 1) if priors else embeddings
        torch.manual_seed(11)
        mapper = Transformer(inputs.shape[1]) if kind == "transformer" else Linear(inputs.shape[1], kind == "r2gengpt")
        save_file({k: v.detach().clone() for k, v in mapper.named().items()}, OUT / f"{name}.safetensors")
        around = [tokenizer.encode(p).ids for p in prompt] if kind == "r2gengpt" else [[], []]
        for p in llm.parameters():
            p.requires_grad_(trained)
        parameters = list(mapper.parameters()) + (list(llm.parameters()) if trained else [])
        optimiser = torch.optim.Adam(parameters, lr=1e-3)
        embed = llm.get_input_embeddings()
        losses = []
        for _ in range(10):
            optimiser.zero_grad()
            prefix = mapper(inputs)
            total, count = 0.0, 0
            for row, ids in enumerate(tokens):
                ids = torch.tensor(ids)
                parts = [embed(torch.tensor(around[0], dtype=torch.long)), prefix[row],
                         embed(torch.tensor(around[1], dtype=torch.long)), embed(ids[:-1])]
                found = llm(inputs_embeds=torch.cat(parts)[None]).logits[0, -len(ids):]
                total = total + nn.functional.cross_entropy(found, ids, reduction="sum")
                count += len(ids)
            loss = total / count
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        save_file({k: v.detach().clone() for k, v in mapper.named().items()}, OUT / f"{name}-trained.safetensors")
        runs[name] = {"losses": losses}
        if trained:
            weights = {k: v.clone() for k, v in llm.state_dict().items() if k != "lm_head.weight"}
            save_file(weights, OUT / f"{name}-trained-llm.safetensors")
    golden = {"reports": REPORTS, "embeddings": embeddings.tolist(), "logits": logits.tolist(), "runs": runs}
    (OUT / "golden.json").write_text(json.dumps(golden))


if __name__ == "__main__":
    main()
