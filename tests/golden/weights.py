"""Makes the fixtures of crates/rad3d-weights: PyTorch files, GGUF files, tokenizers.

Run with the packages of requirements.txt; llama-cpp-python is needed for the SmolLM2 ids only
(tests/golden/fetch_smollm2.sh fetches the model). The output is committed.
"""

import collections
import io
import json
import os
import pickle
import random
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "crates/rad3d-weights/tests/fixtures"
RNG = torch.Generator().manual_seed(20)


def normal(*shape):
    return torch.randn(*shape, generator=RNG)


# ---- PyTorch files; what each must read as goes to expected.safetensors as FILE::NAME


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/rad3d-was-here",)


def state_dicts():
    base = normal(6, 8)
    linear = torch.nn.Linear(4, 3)
    with torch.no_grad():
        linear.weight.copy_(normal(3, 4))
        linear.bias.copy_(normal(3))
    optimiser = torch.optim.AdamW(linear.parameters())
    linear(normal(2, 4)).sum().backward()
    optimiser.step()
    plain = collections.OrderedDict((k, v.detach()) for k, v in linear.state_dict().items())
    types = {
        "f64": normal(5).double(), "f32": normal(2, 3), "f16": normal(7).half(),
        "bf16": normal(3, 3).bfloat16(), "i64": torch.tensor([-1, 2**40]),
        "i32": torch.tensor([-7, 7], dtype=torch.int32), "i16": torch.tensor([-300], dtype=torch.int16),
        "i8": torch.tensor([-128, 127], dtype=torch.int8), "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]), "scalar": torch.tensor(2.5), "empty": torch.zeros(4, 0, 8),
    }
    views = {
        "whole": base, "transposed": base.t(), "rows": base[2:4], "columns": base[:, 1:7:2],
        "permuted": normal(2, 3, 4).permute(2, 0, 1), "one": base[3, 4], "tied": base,
    }
    return {
        "types": (types, types),
        "views": (views, views),
        "wrapped": (
            {"model": plain, "optim": optimiser.state_dict(), "epoch": 3, "loss": np.float64(0.5)}, plain),
        "nested": (
            {"encoder": {"a": base, "list": [normal(2), normal(3)]}, "note": "text", "none": None}, None),
        "module": ({f"module.{k}": v for k, v in plain.items()}, plain),
        "lipro": ({**{f"module.trained_model.{k}": v for k, v in plain.items()},
                   "module.classifier.weight": normal(2, 3)}, None),
        "parameters": (dict(linear.named_parameters()), plain),
    }


def write_pytorch():
    folder = OUT / "pytorch"
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}

    def expect(file, tensors):
        for name, tensor in tensors.items():
            expected[f"{file}::{name}"] = tensor.detach().contiguous().clone()

    all_dicts = state_dicts()
    for name, (content, reads_as) in all_dicts.items():
        torch.save(content, folder / f"{name}.pt")
        if name == "nested":
            inner = content["encoder"]
            reads_as = {"encoder.a": inner["a"], "encoder.list.0": inner["list"][0], "encoder.list.1": inner["list"][1]}
        if name == "lipro":
            reads_as = {k.removeprefix("module.").removeprefix("trained_model."): v for k, v in content.items()}
        expect(f"{name}.pt", reads_as)

    views = all_dicts["views"][0]
    torch.save(views, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    expect("legacy.pt", views)
    torch.save(views, folder / "protocol4.pt", pickle_protocol=4)
    expect("protocol4.pt", views)

    # No GPU here: rename the device in the pickle. "cpu" and the new tag have another length, so
    # the text opcode's length byte changes too.
    plain = all_dicts["parameters"][1]
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    tag = b"X\x06\x00\x00\x00cuda:1"
    rezip(buffer, folder / "cuda.pt", zipfile.ZIP_STORED,
          lambda data: data.replace(b"X\x03\x00\x00\x00cpu", tag))
    expect("cuda.pt", plain)
    rezip(buffer, folder / "deflated.pt", zipfile.ZIP_DEFLATED, lambda data: data)
    expect("deflated.pt", plain)

    torch.save(all_dicts["wrapped"][0]["optim"], folder / "optimiser.pt")
    torch.save({"weight": normal(2), "run": Evil()}, folder / "evil.pt")
    torch.save({"w": torch.ones(3).to(torch.float8_e4m3fn)}, folder / "float8.pt")
    torch.save({"bad": torch.tensor([1.0, float("nan"), 2.0]), "good": normal(3)}, folder / "nan.pt")
    (folder / "plain_pickle.pt").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    save_file(expected, folder / "expected.safetensors")


def rezip(buffer, path, method, edit_pickle):
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", method) as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                data = edit_pickle(data)
            target.writestr(entry.filename, data)


# ---- GGUF


def write_gguf():
    import gguf
    from gguf import GGMLQuantizationType as Q

    folder = OUT / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(21)
    writer = gguf.GGUFWriter(folder / "blocks.gguf", "llama")
    writer.add_uint8("value.u8", 200)
    writer.add_int8("value.i8", -100)
    writer.add_uint16("value.u16", 60000)
    writer.add_int16("value.i16", -30000)
    writer.add_uint32("value.u32", 4_000_000_000)
    writer.add_int32("value.i32", -2_000_000_000)
    writer.add_uint64("value.u64", 2**60)
    writer.add_int64("value.i64", -(2**60))
    writer.add_float32("value.f32", 0.5)
    writer.add_float64("value.f64", 0.1)
    writer.add_bool("value.bool", True)
    writer.add_string("value.text", "Lunge \u00e9")
    writer.add_array("value.texts", ["a", "bc"])
    writer.add_array("value.integers", [1, -2, 3])
    writer.add_array("value.floats", [0.5, 1.5])
    writer.add_array("value.truths", [True, False])
    expected = {}
    values = rng.normal(size=(3, 512)).astype(np.float32)
    for quant in [Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0]:
        blocks = gguf.quantize(values, quant)
        writer.add_tensor(quant.name, blocks, raw_dtype=quant)
        expected[quant.name] = gguf.dequantize(blocks, quant)
    # The package quantises no K type: any bits are blocks, with sensible half-float scales.
    scales = {Q.Q4_K: (0, 2), Q.Q5_K: (0, 2), Q.Q6_K: (208,)}
    for quant, places in scales.items():
        size = gguf.GGML_QUANT_SIZES[quant][1]
        blocks = rng.integers(0, 256, size=(3, 2, size), dtype=np.uint8)
        for place in places:
            halves = rng.normal(size=(3, 2, 1)).astype(np.float16) * np.float16(0.01)
            blocks[:, :, place:place + 2] = halves.view(np.uint8)
        blocks = blocks.reshape(3, 2 * size)
        writer.add_tensor(quant.name, blocks, raw_dtype=quant)
        expected[quant.name] = gguf.dequantize(blocks, quant)
    half = values[:, :7].astype(np.float16)
    writer.add_tensor("F16", half)
    expected["F16"] = half.astype(np.float32)
    bf16 = gguf.quantize(values[:, :6], Q.BF16)
    writer.add_tensor("BF16", bf16, raw_dtype=Q.BF16)
    expected["BF16"] = gguf.dequantize(bf16, Q.BF16)
    writer.add_tensor("F32", values[:2, :5].copy())
    expected["F32"] = values[:2, :5].copy()
    close(writer)
    save_file({k: torch.tensor(v) for k, v in expected.items()}, folder / "expected.safetensors")


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- tokenizers


def strings():
    rng = random.Random(22)
    fixed = [
        "", " ", "  ", "\n", "\t\n  x", "Findings: The trachea and both main bronchi are open.",
        "No pleural effusion-thickening.", "A 12 x 9.5 mm nodule (RUL), #2", "I'm, you'll, we've, they'd, it's",
        "CT 2023-11-04 09:30", "\u00b5g/\u00b5m \u2265 1000 HU \u00b1 5%", "\u4e2d\u6587\u62a5\u544a", "\u0627\u0644\u0631\u0626\u0629 \u0627\u0644\u064a\u0645\u0646\u0649",
        "\U0001fac1\U0001f44d\U0001f3fd", "a\u0301e\u0308", "\u00c7ok say\u0131da nod\u00fcl", "x\u00a0y\u2009z", "1234567890", "\u0663\u0664\u0665",
        "tabs\tand\r\nlines", "    indented\n\n\nblank", "MiXeD CaSe WORDS", "snake_case->kebab-case", "if (x<=1) { return y[0]; }",
        "!!??..,,", "<|im_start|>user\nHi<|im_end|>\n", "\u200bzero\u200dwidth", "e\u0301\u0302\u0303", "\ufeffbom", "trailing space ",
    ]
    words = ("no mild bilateral ground-glass opacity in the lower lobes consolidation nodule mm cm 3 12 0.5 "
             "pleural effusion; cardiomegaly, aorta calcified (segment) upper-left \u00f6dem \u4e2d 45% T12").split()
    made = []
    while len(fixed) + len(made) < 200:
        parts = rng.choices(words, k=rng.randint(1, 20))
        made.append("".join(w + rng.choice([" ", " ", " ", "  ", "\n", "", ", ", "."]) for w in parts))
    return fixed + made


def write_tokenizers():
    import gguf
    import sentencepiece
    import tokenizers

    folder = OUT / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    texts = strings()
    (folder / "strings.json").write_text(json.dumps(texts))

    # SentencePiece: a small BPE model, its vocabulary as llama.cpp stores it, its own encodings.
    corpus = [t for t in texts if t.strip() and "\0" not in t]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 4), model_writer=trained, vocab_size=520, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.98, minloglevel=2, allow_whitespace_only_pieces=True, split_digits=True)
    model = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    ids = range(model.vocab_size())
    kind = [6 if model.is_byte(i) else 3 if model.is_control(i) else 2 if model.is_unknown(i) else 1 for i in ids]
    writer = gguf.GGUFWriter(folder / "sentencepiece.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([model.id_to_piece(i) for i in ids])
    writer.add_token_scores([model.get_score(i) for i in ids])
    writer.add_token_types(kind)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    close(writer)
    (folder / "sentencepiece_ids.json").write_text(json.dumps([model.encode(t) for t in texts]))

    # Byte-level BPE with each set of word rules: trained by `tokenizers`, whose own answers count.
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

    byte = pre_tokenizers.ByteLevel
    expression = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
                  r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    split = lambda digits: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(expression.format(digits)), "isolated"), byte(False, use_regex=False)])
    rules = {
        "gpt-2": byte(False),
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte(False)]),
        "llama-bpe": split(r"\p{N}{1,3}"),
        "qwen2": split(r"\p{N}"),
    }
    answers = {}
    for name, words in rules.items():
        tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
        tokenizer.pre_tokenizer = words
        tokenizer.decoder = decoders.ByteLevel()
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        tokenizer.train_from_iterator(texts * 2, trainers.BpeTrainer(
            vocab_size=600, special_tokens=special, initial_alphabet=byte.alphabet(), show_progress=False))
        content = json.loads(tokenizer.to_str())
        vocab = sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
        writer = gguf.GGUFWriter(folder / f"bpe_{name}.gguf", "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(name)
        writer.add_token_list([piece for piece, _ in vocab])
        writer.add_token_types([3 if piece in special else 1 for piece, _ in vocab])
        writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(2)
        close(writer)
        answers[name] = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
        if name == "smollm":
            hub = folder / "folder"
            hub.mkdir(exist_ok=True)
            tokenizer.save(str(hub / "tokenizer.json"))
            (hub / "tokenizer_config.json").write_text(json.dumps(
                {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "chat_template": "{{ x }}"}))
            (hub / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    (folder / "bpe_ids.json").write_text(json.dumps(answers))


def write_smollm2():
    model = ROOT / ".cache/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not model.exists():
        sys.exit("run tests/golden/fetch_smollm2.sh first")
    from llama_cpp import Llama

    llama = Llama(str(model), vocab_only=True, verbose=False)
    ids = [llama.tokenize(t.encode(), add_bos=False, special=True) for t in strings()]
    (OUT / "tokenizer/smollm2_ids.json").write_text(json.dumps(ids))


if __name__ == "__main__":
    write_pytorch()
    write_gguf()
    write_tokenizers()
    write_smollm2()
