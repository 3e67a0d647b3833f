"""Tiny random text classifiers and their logits, from `transformers`.

Writes crates/rad3d-nn/tests/fixtures/text_classifier/{radbert,roberta,bert,distilbert}, each with
tokenizer.json and golden.json. `radbert` is laid out as CT-CLIP's text classifier: an encoder
called `model`, its pooler's output through dropout and one linear map, saved as a state dict of a
data-parallel wrapper. The others are what `save_pretrained` leaves of `*ForSequenceClassification`;
`roberta` names its labels, in an order of its own and with one that says that there is no finding.

    python tests/golden/text_classifier.py
"""

import json
import random
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
)

OUT = Path(__file__).parents[2] / "crates/rad3d-nn/tests/fixtures/text_classifier"
LABELS = [
    "Medical material", "Arterial wall calcification", "Cardiomegaly", "Pericardial effusion",
    "Coronary artery wall calcification", "Hiatal hernia", "Lymphadenopathy", "Emphysema", "Atelectasis",
    "Lung nodule", "Lung opacity", "Pulmonary fibrotic sequela", "Pleural effusion",
    "Mosaic attenuation pattern", "Peribronchial thickening", "Consolidation", "Bronchiectasis",
    "Interlobular septal thickening",
]
TEXTS = [
    "",
    "No nodule.",
    "Mild effusion is seen in the left lung. Heart size is normal.",
    "There is emphysema; no pleural effusion, no consolidation in both lungs.",
    # Longer than the encoders take.
    " ".join(["The right lower lobe shows a nodule of 4 mm."] * 6),
]
LONGEST = 40
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
COMMON = {"hidden_act": "gelu", "initializer_range": 0.5}


class RadBertClassifier(torch.nn.Module):
    """CT-CLIP's layout."""

    def __init__(self, config):
        super().__init__()
        self.model = RobertaModel(config, add_pooling_layer=True)
        self.dropout = torch.nn.Dropout(0.25)
        self.classifier = torch.nn.Linear(config.hidden_size, len(LABELS))

    def forward(self, input_ids, attention_mask):
        pooled = self.model(input_ids, attention_mask=attention_mask).pooler_output
        return self.classifier(self.dropout(pooled))


def byte_pairs():
    """As RoBERTa's: byte pairs, <s> and </s> around."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def word_pieces():
    """As BERT's: lower case, [CLS] and [SEP] around."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = "no nodule . mild effusion is seen in the left lung heart size normal there emphysema ; pleural , ##s 4 mm".split()
    vocabulary = {word: i for i, word in enumerate(special + words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(special)
    return tokenizer, {"pad_token": "[PAD]"}


def classifiers():
    pieces, pairs = word_pieces(), byte_pairs()
    # Positions begin after the padding token.
    roberta = {
        **SIZES, **COMMON, "vocab_size": pairs[0].get_vocab_size(), "max_position_embeddings": LONGEST + 2,
        "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1,
    }
    config = RobertaConfig(**roberta)
    yield "radbert", RadBertClassifier(config), config, pairs
    names = LABELS + ["No finding"]
    random.Random(7).shuffle(names)
    config = RobertaConfig(
        **roberta, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
        problem_type="multi_label_classification",
    )
    yield "roberta", RobertaForSequenceClassification(config), config, pairs
    config = BertConfig(
        **SIZES, **COMMON, vocab_size=pieces[0].get_vocab_size(), max_position_embeddings=LONGEST, num_labels=len(LABELS)
    )
    yield "bert", BertForSequenceClassification(config), config, pieces
    config = DistilBertConfig(
        vocab_size=pieces[0].get_vocab_size(), dim=16, n_layers=2, n_heads=2, hidden_dim=24, initializer_range=0.5,
        max_position_embeddings=LONGEST, num_labels=len(LABELS),
    )
    yield "distilbert", DistilBertForSequenceClassification(config), config, pieces


def main():
    torch.manual_seed(20240613)
    shutil.rmtree(OUT, ignore_errors=True)
    for name, model, config, (tokenizer, special) in classifiers():
        folder = OUT / name
        # Biases and norms start as 0 and 1, where a mistake would not show.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)
        # A plain Linear's own initialisation gives logits of one sign, whatever the text.
        if name == "radbert":
            torch.nn.init.normal_(model.classifier.weight, std=0.5)
        model.eval()
        if name == "radbert":
            folder.mkdir(parents=True)
            config.save_pretrained(folder)
            state = {f"module.{key}": value for key, value in model.state_dict().items()}
            # A buffer that transformers 4 saved and 5 does not.
            state["module.model.embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None]
            torch.save(state, folder / "RadBertClassifier.pth")
        else:
            model.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        (folder / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": LONGEST}) + "\n")
        encode = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LONGEST, **special)
        cases = []
        for text in TEXTS:
            ids = encode(text, truncation=True, max_length=LONGEST)["input_ids"]
            batch = torch.tensor([ids])
            with torch.no_grad():
                logits = model(input_ids=batch, attention_mask=torch.ones_like(batch))
            logits = getattr(logits, "logits", logits)[0]
            cases.append({"text": text, "ids": ids, "logits": [round(v, 6) for v in logits.tolist()]})
        assert len(cases[-1]["ids"]) == LONGEST
        (folder / "golden.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
