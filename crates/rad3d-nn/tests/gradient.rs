//! The written-out gradient against finite differences, and its loss against the decoder's logits.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be read has failed the test"
)]

use std::path::PathBuf;

use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::{CausalLm, DecoderConfig, LmOptions};
use rad3d_weights::Checkpoint;

/// A fixture of this crate, or the tiny model of the trainer's, whose heads share keys.
fn decoder(family: &str) -> Option<GradientDecoder> {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = match family {
        "grouped" => crates.join("../rad3d-train/tests/fixtures/parity/llm"),
        family => crates.join("tests/fixtures/causal_lm").join(family),
    };
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = DecoderConfig::from_hf(folder.join("config.json"), &text).unwrap();
    let weights = Checkpoint::open(folder.join("model.safetensors")).unwrap();
    GradientDecoder::new(&CausalLm::new(config, &weights, LmOptions::default()).unwrap())
}

fn batch(decoder: &GradientDecoder) -> Vec<Sequence> {
    let rows: [&[u32]; 3] = [&[3, 9, 4, 7, 1], &[8, 2], &[5, 6, 7, 8, 9, 10, 11]];
    rows.iter()
        .map(|ids| Sequence {
            embeddings: decoder.embed(ids),
            ids: ids.iter().map(|&id| Some(id)).collect(),
            targets: (1..ids.len())
                .map(|place| (place - 1, ids[place]))
                .collect(),
            weights: Vec::new(),
        })
        .collect()
}

#[test]
fn a_target_of_weight_two_counts_as_the_same_target_twice() {
    let decoder = decoder("llama2").unwrap();
    let mut weighted = batch(&decoder);
    weighted.truncate(1);
    let mut doubled = weighted.clone();
    weighted[0].weights = vec![1.0, 2.0, 1.0, 1.0];
    let twice = doubled[0].targets[1];
    doubled[0].targets.push(twice);
    let (weighted, doubled) = (
        decoder.gradient(&weighted, true),
        decoder.gradient(&doubled, true),
    );
    assert!((weighted.loss - doubled.loss).abs() < 1e-6);
    for (a, b) in weighted.weights.iter().zip(&doubled.weights) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn gradients_of_embeddings_and_weights_are_those_of_finite_differences() {
    for family in ["llama2", "grouped"] {
        let decoder = decoder(family).unwrap();
        let batch = batch(&decoder);
        let found = decoder.gradient(&batch, true);
        assert!((found.loss - decoder.loss(&batch)).abs() < 1e-9);
        let step = 1e-2;
        // Embeddings.
        let largest = found.embeddings[0]
            .iter()
            .fold(0_f32, |a, g| a.max(g.abs()));
        for index in [0, 5, 17, found.embeddings[0].len() - 1] {
            let at = |shift: f32| {
                let mut moved = batch.clone();
                moved[0].embeddings[index] += shift;
                decoder.loss(&moved)
            };
            let slope = ((at(step) - at(-step)) / f64::from(2.0 * step)) as f32;
            let gradient = found.embeddings[0][index];
            assert!(
                (gradient - slope).abs() <= 0.02 * largest,
                "{family} {index}: {gradient} {slope}"
            );
        }
        // The largest entry of every parameter's gradient.
        for parameter in decoder.parameters() {
            let part = &found.weights[parameter.range.clone()];
            let (place, gradient) = part.iter().enumerate().fold((0, 0_f32), |best, (i, g)| {
                if g.abs() > best.1.abs() {
                    (i, *g)
                } else {
                    best
                }
            });
            let at = |shift: f32| {
                let mut moved = decoder.clone();
                let mut weights = decoder.weights().to_vec();
                weights[parameter.range.start + place] += shift;
                assert!(moved.set_weights(weights));
                // Embeddings are looked up anew: a token's row is its input too.
                let mut batch = batch.clone();
                for sequence in &mut batch {
                    let ids: Vec<u32> = sequence.ids.iter().map(|id| id.unwrap()).collect();
                    sequence.embeddings = moved.embed(&ids);
                }
                moved.loss(&batch)
            };
            let slope = ((at(step) - at(-step)) / f64::from(2.0 * step)) as f32;
            assert!(
                (gradient - slope).abs() <= 0.03 * gradient.abs() + 1e-4,
                "{family} {}: {gradient} {slope}",
                parameter.name
            );
        }
    }
}

#[test]
fn a_frozen_model_gives_the_same_gradient_of_its_input() {
    let decoder = decoder("grouped").unwrap();
    let batch = batch(&decoder);
    let (trained, frozen) = (
        decoder.gradient(&batch, true),
        decoder.gradient(&batch, false),
    );
    assert_eq!(trained.embeddings, frozen.embeddings);
    assert!(frozen.weights.is_empty());
}

#[test]
fn the_operations_done_are_those_on_paper_and_a_frozen_model_saves_a_third() {
    for family in ["llama2", "grouped"] {
        let decoder = decoder(family).unwrap();
        let batch = batch(&decoder);
        let [frozen, trained] = [false, true].map(|train| {
            let counted = decoder.gradient(&batch, train).operations;
            assert_eq!(counted, decoder.operations(&batch, train), "{family}");
            counted
        });
        // But for attention, which has no weights.
        assert!(
            3 * frozen > 2 * trained && 4 * frozen < 3 * trained,
            "{family}"
        );
    }
}

#[test]
fn a_sequence_has_the_same_gradient_alone_and_in_a_stack() {
    let decoder = decoder("grouped").unwrap();
    let batch = batch(&decoder);
    let together = decoder.gradient(&batch, false);
    let total: usize = batch.iter().map(|sequence| sequence.targets.len()).sum();
    for (index, sequence) in batch.iter().enumerate() {
        let alone = decoder.gradient(std::slice::from_ref(sequence), false);
        // Alone it is the mean over its own predictions.
        let share = sequence.targets.len() as f32 / total as f32;
        for (a, b) in alone.embeddings[0].iter().zip(&together.embeddings[index]) {
            assert!((a * share - b).abs() <= 1e-6, "sequence {index}: {a} {b}");
        }
    }
}

#[test]
fn families_that_it_does_not_know_are_left_to_the_general_engine() {
    for family in ["llama3", "qwen3", "gpt2", "gpt_neox", "opt", "biogpt"] {
        assert!(decoder(family).is_none(), "{family}");
    }
}
