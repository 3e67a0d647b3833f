//! Every decoder family against `transformers` (fixtures by tests/golden/causal_lm.py).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::PathBuf;

use rad3d_nn::causal_lm::{CausalLm, LmOptions, LogitsOf, Segment, SegmentInput};
use rad3d_weights::Checkpoint;
use serde::Deserialize;

/// Largest difference of a logit allowed; logits of the fixtures reach ±10.
const TOLERANCE: f32 = 1e-4;

const FAMILIES: [&str; 10] = [
    "llama2",
    "llama3",
    "qwen2",
    "qwen3",
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
    "opt",
    "opt_post_norm",
    "biogpt",
];

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<u32>>,
    prefix_ids: usize,
}

struct Fixture {
    family: &'static str,
    model: CausalLm,
    golden: Golden,
    tensors: Checkpoint,
}

impl Fixture {
    fn open(family: &'static str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/causal_lm")
            .join(family);
        let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let config =
            rad3d_nn::causal_lm::DecoderConfig::from_hf(folder.join("config.json"), &config)
                .unwrap();
        let weights = Checkpoint::open(folder.join("model.safetensors")).unwrap();
        Self {
            family,
            model: CausalLm::new(config, &weights, LmOptions::default()).unwrap(),
            golden: serde_json::from_str(&text).unwrap(),
            tensors: Checkpoint::open(folder.join("golden.safetensors")).unwrap(),
        }
    }

    fn tensor(&self, name: &str) -> Vec<f32> {
        self.tensors.to_f32(name).unwrap()
    }

    fn check(&self, what: &str, met: &[f32], expected: &[f32]) {
        assert_eq!(met.len(), expected.len(), "{} {what}", self.family);
        let gap = met
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        let largest = expected
            .iter()
            .fold(0f32, |largest, x| largest.max(x.abs()));
        assert!(
            largest > 1.0,
            "{} {what}: logits must differ from nothing",
            self.family
        );
        assert!(gap <= TOLERANCE, "{} {what}: off by {gap}", self.family);
    }
}

fn ids(sequence: usize, ids: &[u32]) -> Segment<'_> {
    Segment {
        sequence,
        input: SegmentInput::Ids(ids),
    }
}

fn embeddings(sequence: usize, values: &[f32]) -> Segment<'_> {
    Segment {
        sequence,
        input: SegmentInput::Embeddings(values),
    }
}

#[test]
fn logits_of_single_sequences_in_one_pass() {
    for fixture in FAMILIES.map(Fixture::open) {
        for (index, row) in fixture.golden.rows.iter().enumerate() {
            let mut cache = fixture.model.cache(1, row.len()).unwrap();
            let logits = fixture
                .model
                .forward(&mut cache, &[ids(0, row)], LogitsOf::All)
                .unwrap();
            let expected = fixture.tensor(&format!("logits.{index}"));
            fixture.check(&format!("row {index}"), &logits.to_vec(), &expected);
        }
    }
}

#[test]
fn logits_token_by_token_through_the_cache() {
    for fixture in FAMILIES.map(Fixture::open) {
        let row = &fixture.golden.rows[1];
        let mut cache = fixture.model.cache(1, row.len()).unwrap();
        let mut met = Vec::new();
        for token in row {
            let step = [ids(0, std::slice::from_ref(token))];
            met.extend(
                fixture
                    .model
                    .forward(&mut cache, &step, LogitsOf::Last)
                    .unwrap()
                    .to_vec(),
            );
        }
        fixture.check("cached", &met, &fixture.tensor("logits.1"));
    }
}

#[test]
fn logits_of_a_ragged_batch_equal_those_of_single_sequences() {
    for fixture in FAMILIES.map(Fixture::open) {
        let rows = &fixture.golden.rows;
        let longest = rows.iter().map(Vec::len).max().unwrap();
        let mut cache = fixture.model.cache(rows.len(), longest).unwrap();
        // All but the last token of each in one pass, then the last ones together.
        let heads: Vec<Segment<'_>> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| ids(i, &row[..row.len() - 1]))
            .collect();
        let tails: Vec<Segment<'_>> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| ids(i, &row[row.len() - 1..]))
            .collect();
        let first = fixture
            .model
            .forward(&mut cache, &heads, LogitsOf::All)
            .unwrap();
        let second = fixture
            .model
            .forward(&mut cache, &tails, LogitsOf::Last)
            .unwrap();
        let mut next = 0;
        for (index, row) in rows.iter().enumerate() {
            let mut met = Vec::new();
            for _ in 1..row.len() {
                met.extend_from_slice(first.row(next));
                next += 1;
            }
            met.extend_from_slice(second.row(index));
            let expected = fixture.tensor(&format!("logits.{index}"));
            fixture.check(&format!("batched row {index}"), &met, &expected);
        }
    }
}

#[test]
fn a_prefix_of_embeddings_stands_where_tokens_would() {
    for fixture in FAMILIES.map(Fixture::open) {
        let prefix = fixture.tensor("prefix");
        let tokens = &fixture.golden.rows[0][..fixture.golden.prefix_ids];
        let expected = fixture.tensor("logits.prefix");
        let count = prefix.len() / fixture.model.config().embedding_width + tokens.len();

        let mut cache = fixture.model.cache(1, count).unwrap();
        let mixed = [embeddings(0, &prefix), ids(0, tokens)];
        let logits = fixture
            .model
            .forward(&mut cache, &mixed, LogitsOf::All)
            .unwrap();
        fixture.check("prefix and ids", &logits.to_vec(), &expected);

        let embedded = fixture.model.embed(tokens).unwrap();
        let all = [prefix.as_slice(), &embedded].concat();
        cache.clear();
        let logits = fixture
            .model
            .forward(&mut cache, &[embeddings(0, &all)], LogitsOf::All)
            .unwrap();
        fixture.check("embeddings only", &logits.to_vec(), &expected);
    }
}

#[test]
fn the_token_table_is_that_of_the_reference() {
    for fixture in FAMILIES.map(Fixture::open) {
        let met = fixture.model.embed(&fixture.golden.rows[0]).unwrap();
        let expected = fixture.tensor("embedded_ids");
        for (met, expected) in met.iter().zip(&expected) {
            assert!(
                (met - expected).abs() <= 1e-6 * expected.abs(),
                "{}",
                fixture.family
            );
        }
    }
}
