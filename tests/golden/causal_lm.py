"""Tiny random language models of each family, and what `transformers` answers for them.

Writes to crates/rad3d-nn/tests/fixtures/causal_lm/FAMILY: config.json, model.safetensors, and the
expected numbers in golden.safetensors and golden.json. Every parameter is drawn at random, biases
and norms included, so that a slot left out shows in the logits.

    python tests/golden/causal_lm.py
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    BioGptConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
)

OUT = Path(__file__).parents[2] / "crates/rad3d-nn/tests/fixtures/causal_lm"
VOCABULARY = 96
LENGTHS = [7, 12, 3]
PREFIX, PREFIX_IDS = 5, 4
NEW_TOKENS = 24

COMMON = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=None, pad_token_id=0)
ROTARY = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=128,
)
LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
FAMILIES = {
    "llama2": LlamaConfig(**COMMON, **ROTARY, num_key_value_heads=4, tie_word_embeddings=False),
    "llama3": LlamaConfig(
        **COMMON, **ROTARY, num_key_value_heads=2, tie_word_embeddings=True, head_dim=16,
        rope_parameters=LLAMA3_ROPE, attention_bias=True, mlp_bias=True,
    ),
    "qwen2": Qwen2Config(**COMMON, **ROTARY, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**COMMON, **ROTARY, num_key_value_heads=2, head_dim=12, tie_word_embeddings=False),
    "gpt2": GPT2Config(**COMMON, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "gpt_neox": GPTNeoXConfig(**COMMON, **ROTARY, tie_word_embeddings=False),
    "gpt_neox_sequential": GPTNeoXConfig(
        **COMMON, **ROTARY, tie_word_embeddings=False, use_parallel_residual=False,
        rope_parameters=dict(rope_type="default", rope_theta=5000.0, partial_rotary_factor=0.5),
    ),
    "opt": OPTConfig(
        **COMMON, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64,
        max_position_embeddings=64, word_embed_proj_dim=32,
    ),
    "opt_post_norm": OPTConfig(
        **COMMON, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64,
        max_position_embeddings=64, word_embed_proj_dim=24, do_layer_norm_before=False,
    ),
    "biogpt": BioGptConfig(
        **COMMON, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64,
    ),
}


def build(config):
    """A model with every parameter random and large enough for decided logits."""
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            if parameter.ndim == 1:
                is_norm_weight = name.endswith("weight")
                parameter.copy_(1 + 0.2 * noise if is_norm_weight else 0.2 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.5 * noise)
            else:
                fan_in = parameter.shape[0 if "c_" in name else 1]
                parameter.copy_(1.5 * noise / fan_in**0.5)
    return model


def generated(model, prompt, **settings):
    """Only the new tokens; with embeddings as prompt `transformers` returns nothing else."""
    settings = dict(do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0) | settings
    if "ids" in prompt:
        ids = prompt["ids"]
        mask = torch.ones_like(ids)
        return model.generate(ids, attention_mask=mask, **settings)[0, ids.shape[1] :].tolist()
    embeddings = prompt["embeddings"]
    mask = torch.ones(embeddings.shape[:2], dtype=torch.long)
    return model.generate(inputs_embeds=embeddings, attention_mask=mask, **settings)[0].tolist()


def stop_at_eos(tokens, eos):
    """Beam search pads with zeros behind the stop token."""
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for number, (family, config) in enumerate(FAMILIES.items()):
        torch.manual_seed(1000 + number)
        model = build(config)
        folder = OUT / family
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)

        rows = [torch.randint(4, VOCABULARY, (length,)) for length in LENGTHS]
        width = model.get_input_embeddings().embedding_dim
        prefix = 0.5 * torch.randn(1, PREFIX, width)
        table = model.get_input_embeddings()
        with torch.no_grad():
            embedded = torch.cat([prefix, table(rows[0][None, :PREFIX_IDS])], dim=1)
            tensors = {f"logits.{i}": model(row[None]).logits[0] for i, row in enumerate(rows)}
            tensors["logits.prefix"] = model(inputs_embeds=embedded).logits[0]
            # The same rows as one left-padded batch: padding must not matter.
            longest = max(LENGTHS)
            batch = torch.zeros(len(rows), longest, dtype=torch.long)
            mask = torch.zeros_like(batch)
            for i, row in enumerate(rows):
                batch[i, longest - len(row) :] = row
                mask[i, longest - len(row) :] = 1
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            padded = model(batch, attention_mask=mask, position_ids=positions).logits
            for i, row in enumerate(rows):
                gap = (padded[i, longest - len(row) :] - tensors[f"logits.{i}"]).abs().max()
                assert gap < 2e-5, (family, i, gap)
        tensors["prefix"] = prefix[0]
        tensors["embedded_ids"] = table(rows[0][None])[0].detach()
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, folder / "golden.safetensors")

        prompts = {"ids": {"ids": rows[0][None]}, "embeddings": {"embeddings": embedded}}
        cases = []
        for kind, prompt in prompts.items():
            free = generated(model, prompt)
            # A stop token that greedy search meets half-way, so that beams end at different steps.
            stop = free[9]
            settings = [
                {},
                dict(eos_token_id=stop),
                dict(repetition_penalty=1.3),
                dict(no_repeat_ngram_size=2),
                dict(num_beams=4),
                dict(num_beams=4, eos_token_id=stop),
                dict(num_beams=3, eos_token_id=stop, length_penalty=0.5, early_stopping=True),
                dict(num_beams=5, eos_token_id=stop, length_penalty=2.0, no_repeat_ngram_size=3),
                dict(num_beams=3, eos_token_id=stop, length_penalty=-1.0, repetition_penalty=1.2),
            ]
            for setting in settings:
                tokens = generated(model, prompt, **setting)
                tokens = stop_at_eos(tokens, setting.get("eos_token_id"))
                cases.append(dict(prompt=kind, settings=setting, tokens=tokens))
        golden = dict(rows=[row.tolist() for row in rows], prefix_ids=PREFIX_IDS, new_tokens=NEW_TOKENS, cases=cases)
        (folder / "golden.json").write_text(json.dumps(golden) + "\n")
        print(family, sum(f.stat().st_size for f in folder.iterdir()) // 1024, "KiB")


if __name__ == "__main__":
    main()
