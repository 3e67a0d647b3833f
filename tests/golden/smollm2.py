"""What `transformers` writes with SmolLM2-135M-Instruct, its weights dequantised from the GGUF file.

64 greedy tokens for each of 20 prompts, and at each step how far the second best logit lies below
the best. Writes crates/rad3d-nn/tests/fixtures/smollm2.json: our prompts and token ids only.

    sh tests/golden/fetch_smollm2.sh && python tests/golden/smollm2.py
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
OUT = ROOT / "crates/rad3d-nn/tests/fixtures/smollm2.json"
NEW_TOKENS = 64

PROMPTS = [
    "The chest CT shows",
    "Findings: The trachea and main bronchi are patent. The heart is",
    "Impression: no evidence of pulmonary embolism.",
    "Explain in two sentences what a pleural effusion is.",
    "A radiologist looks at the lungs first because",
    "Emphysema is a disease in which",
    "List three causes of an enlarged heart:\n1.",
    "The difference between a nodule and a mass is",
    "Patient is a 64-year-old man with cough and fever. The scan",
    "def mean(values):\n    ",
    "Once upon a time a small fox lived near a river, and",
    "The capital of Portugal is",
    "Water boils at a lower temperature in the mountains because",
    "To make bread you need flour, water,",
    "In 1895 Wilhelm Röntgen discovered",
    "Question: how many ribs does a human have?\nAnswer:",
    "The aorta is the largest artery and",
    "Coronary artery calcification can be seen on CT when",
    "Dear colleague, thank you for referring",
    "0 1 1 2 3 5 8",
]


def main():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=GGUF, dtype=torch.float32).eval()
    cases = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=None,
            eos_token_id=None,
            repetition_penalty=1.0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        best = [logits[0].topk(2).values for logits in out.logits]
        cases.append(
            dict(
                prompt=prompt,
                ids=ids[0].tolist(),
                tokens=out.sequences[0, ids.shape[1] :].tolist(),
                gaps=[round(float(pair[0] - pair[1]), 5) for pair in best],
            )
        )
        print(repr(prompt), "→", repr(tokenizer.decode(cases[-1]["tokens"][:16])), flush=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
