//! Where each family keeps its tensors: one table, read by the loader.

use super::config::Family;

/// Names of one family's tensors, without `.weight` and `.bias`.
///
/// Names outside blocks follow one of `roots`; names inside follow root, `block` and the block's
/// number. An empty name means that the family has no such tensor.
pub(super) struct Names {
    /// Prefixes under which checkpoints of the family are found, tried in order.
    pub(super) roots: &'static [&'static str],
    pub(super) tokens: &'static str,
    pub(super) positions: &'static str,
    pub(super) project_in: &'static str,
    pub(super) project_out: &'static str,
    pub(super) final_norm: &'static str,
    /// Output head; stands outside the root.
    pub(super) head: &'static str,
    pub(super) block: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) mlp_norm: &'static str,
    pub(super) qkv: Qkv,
    pub(super) output: &'static str,
    pub(super) query_norm: &'static str,
    pub(super) key_norm: &'static str,
    pub(super) gate: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    /// Whether linear weights are stored `[input, output]`, as GPT-2's `Conv1D` does.
    pub(super) input_major: bool,
    /// Tensors that carry no weights; `*` stands for anything.
    pub(super) ignored: &'static [&'static str],
}

/// How query, key and value are stored.
pub(super) enum Qkv {
    /// Three tensors.
    Separate([&'static str; 3]),
    /// One tensor: all queries, all keys, all values.
    Stacked(&'static str),
    /// One tensor: for each head its query, key and value.
    ByHead(&'static str),
}

pub(super) fn names(family: Family) -> &'static Names {
    match family {
        Family::Llama => &LLAMA,
        Family::Gpt2 => &GPT2,
        Family::GptNeox => &GPT_NEOX,
        Family::Opt => &OPT,
        Family::BioGpt => &BIOGPT,
        Family::Gguf => &GGUF,
    }
}

const LLAMA: Names = Names {
    roots: &["model.", ""],
    tokens: "embed_tokens",
    positions: "",
    project_in: "",
    project_out: "",
    final_norm: "norm",
    head: "lm_head",
    block: "layers.",
    attention_norm: "input_layernorm",
    mlp_norm: "post_attention_layernorm",
    qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    output: "self_attn.o_proj",
    query_norm: "self_attn.q_norm",
    key_norm: "self_attn.k_norm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    input_major: false,
    ignored: &["*rotary_emb.inv_freq"],
};

const GPT2: Names = Names {
    roots: &["transformer.", ""],
    tokens: "wte",
    positions: "wpe",
    project_in: "",
    project_out: "",
    final_norm: "ln_f",
    head: "lm_head",
    block: "h.",
    attention_norm: "ln_1",
    mlp_norm: "ln_2",
    qkv: Qkv::Stacked("attn.c_attn"),
    output: "attn.c_proj",
    query_norm: "",
    key_norm: "",
    gate: "",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    input_major: true,
    // Causal masks that old checkpoints carry.
    ignored: &["*attn.bias", "*attn.masked_bias"],
};

const GPT_NEOX: Names = Names {
    roots: &["gpt_neox.", ""],
    tokens: "embed_in",
    positions: "",
    project_in: "",
    project_out: "",
    final_norm: "final_layer_norm",
    head: "embed_out",
    block: "layers.",
    attention_norm: "input_layernorm",
    mlp_norm: "post_attention_layernorm",
    qkv: Qkv::ByHead("attention.query_key_value"),
    output: "attention.dense",
    query_norm: "",
    key_norm: "",
    gate: "",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    input_major: false,
    ignored: &[
        "*attention.bias",
        "*attention.masked_bias",
        "*rotary_emb.inv_freq",
    ],
};

const OPT: Names = Names {
    roots: &["model.decoder.", "decoder.", ""],
    tokens: "embed_tokens",
    positions: "embed_positions",
    project_in: "project_in",
    project_out: "project_out",
    final_norm: "final_layer_norm",
    head: "lm_head",
    block: "layers.",
    attention_norm: "self_attn_layer_norm",
    mlp_norm: "final_layer_norm",
    qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    output: "self_attn.out_proj",
    query_norm: "",
    key_norm: "",
    gate: "",
    up: "fc1",
    down: "fc2",
    input_major: false,
    ignored: &[],
};

const BIOGPT: Names = Names {
    roots: &["biogpt.", ""],
    tokens: "embed_tokens",
    positions: "embed_positions",
    project_in: "",
    project_out: "",
    final_norm: "layer_norm",
    head: "output_projection",
    block: "layers.",
    attention_norm: "self_attn_layer_norm",
    mlp_norm: "final_layer_norm",
    qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    output: "self_attn.out_proj",
    query_norm: "",
    key_norm: "",
    gate: "",
    up: "fc1",
    down: "fc2",
    input_major: false,
    ignored: &[],
};

const GGUF: Names = Names {
    roots: &[""],
    tokens: "token_embd",
    positions: "",
    project_in: "",
    project_out: "",
    final_norm: "output_norm",
    head: "output",
    block: "blk.",
    attention_norm: "attn_norm",
    mlp_norm: "ffn_norm",
    qkv: Qkv::Separate(["attn_q", "attn_k", "attn_v"]),
    output: "attn_output",
    query_norm: "attn_q_norm",
    key_norm: "attn_k_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    input_major: false,
    // Read with the settings, not with the weights.
    ignored: &["rope_freqs.weight"],
};
