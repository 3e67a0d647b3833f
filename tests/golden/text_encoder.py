"""Tiny random text encoders and their hidden states, layer by layer, from `transformers`.

Writes crates/rad3d-nn/tests/fixtures/text_encoder/{bert,roberta,distilbert}: the model as
`save_pretrained` leaves it, a tokenizer, and states.json.

    python tests/golden/text_encoder.py
"""

import json
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

OUT = Path(__file__).parents[2] / "crates/rad3d-nn/tests/fixtures/text_encoder"
WORDS = "no lung nodule is seen there mild effusion in the left right lobe heart size normal ##s ##ar . ,".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
COMMON = {"hidden_act": "gelu", "initializer_range": 0.5}


def wordpiece():
    """As BERT's: lower case, word pieces, [CLS] and [SEP] around. Truncation and padding are on, as
    some models' files have them; `transformers` resets both for each call."""
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    return tokenizer


def models_by_name():
    size = len(SPECIAL) + len(WORDS) + 15
    bert = {"vocab_size": size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
    yield "bert", BertModel(BertConfig(**bert, max_position_embeddings=40, **COMMON), add_pooling_layer=True)
    # Positions begin after the padding token, and the LayerNorm's epsilon is another one.
    roberta = RobertaConfig(
        **bert, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, **COMMON
    )
    yield "roberta", RobertaModel(roberta, add_pooling_layer=False)
    yield "distilbert", DistilBertModel(
        DistilBertConfig(
            vocab_size=size, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=40,
            activation="gelu", initializer_range=0.5,
        )
    )


def main():
    torch.manual_seed(20240613)
    shutil.rmtree(OUT, ignore_errors=True)
    for name, model in models_by_name():
        # Biases and norms start as 0 and 1, where a mistake would not show.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)
        model.eval().save_pretrained(OUT / name)
        cases = []
        for length in (1, 3, 14, 40):
            ids = torch.randint(2, model.config.vocab_size, (1, length))
            with torch.no_grad():
                states = model(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
            cases.append({"ids": ids[0].tolist(), "states": [[[round(v, 7) for v in row] for row in s[0].tolist()] for s in states]})
        (OUT / name / "states.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    wordpiece().save(str(OUT / "bert/tokenizer.json"), pretty=False)
    (OUT / "bert/tokenizer_config.json").write_text('{"model_max_length": 20}\n')


if __name__ == "__main__":
    main()
