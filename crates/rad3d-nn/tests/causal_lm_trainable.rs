//! The decoder on Burn against `transformers` (fixtures by tests/golden/causal_lm.py), and its
//! gradient with respect to the input against finite differences.
#![cfg(feature = "burn")]
#![cfg_attr(
    feature = "burn",
    expect(clippy::unwrap_used, reason = "a test without its files has failed")
)]

#[path = "common/device.rs"]
mod device;

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use device::device;
use rad3d_nn::causal_lm::trainable::DecoderModule;
use rad3d_nn::causal_lm::{CausalLm, DecoderConfig, LmOptions};
use rad3d_weights::Checkpoint;

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

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/causal_lm")
        .join(family)
}

fn module(family: &str, device: &Device) -> DecoderModule {
    let folder = folder(family);
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = DecoderConfig::from_hf(folder.join("config.json"), &text).unwrap();
    let weights = Checkpoint::open(folder.join("model.safetensors")).unwrap();
    let model = CausalLm::new(config, &weights, LmOptions::default()).unwrap();
    DecoderModule::from_model(&model, device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_to_vec::<f32>()
        .unwrap()
}

#[test]
fn logits_of_a_padded_batch_and_of_embeddings_are_the_reference_s() {
    let device = device();
    for family in FAMILIES {
        let module = module(family, &device);
        let golden = std::fs::read_to_string(folder(family).join("golden.json")).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
        let expected = Checkpoint::open(folder(family).join("golden.safetensors")).unwrap();
        let rows: Vec<Vec<i32>> = serde_json::from_value(golden["rows"].clone()).unwrap();
        let longest = rows.iter().map(Vec::len).max().unwrap();
        let padded: Vec<i32> = rows
            .iter()
            .flat_map(|row| {
                row.iter()
                    .copied()
                    .chain(std::iter::repeat(5))
                    .take(longest)
            })
            .collect();
        let data = TensorData::new(padded, [rows.len(), longest]);
        let ids = Tensor::<2, Int>::from_data(data, &device);
        let logits = module.forward(module.embed(ids));
        let [_, _, vocabulary] = logits.dims();
        for (index, row) in rows.iter().enumerate() {
            let met = logits
                .clone()
                .slice([index..index + 1, 0..row.len(), 0..vocabulary]);
            let golden = expected.to_f32(&format!("logits.{index}")).unwrap();
            let gap = values(met)
                .iter()
                .zip(&golden)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(gap <= 1e-4, "{family} row {index}: off by {gap}");
        }
    }
}

#[test]
fn the_gradient_of_a_frozen_model_s_input_is_that_of_finite_differences() {
    let plain = device();
    for family in ["llama3", "gpt2", "gpt_neox", "biogpt"] {
        let module = module(family, &plain).frozen();
        let prefix = Checkpoint::open(folder(family).join("golden.safetensors"))
            .unwrap()
            .to_f32("prefix")
            .unwrap();
        let width = module.config().embedding_width;
        let shape = [1, prefix.len() / width, width];
        let loss = |module: &DecoderModule, input: Tensor<3>| {
            let logits = module.forward(input);
            burn::tensor::activation::log_softmax(logits, 2)
                .square()
                .mean()
        };
        let device = plain.clone().autodiff();
        let trained = module.clone().fork(&device).frozen();
        let input =
            Tensor::<3>::from_data(TensorData::new(prefix.clone(), shape), &device).require_grad();
        let gradients = loss(&trained, input.clone()).backward();
        let gradient = values(input.grad(&gradients).unwrap());
        let step = 2e-2;
        for index in [0, 7, width + 3, 3 * width + 11, prefix.len() - 1] {
            let at = |shift: f32| {
                let mut moved = prefix.clone();
                moved[index] += shift;
                let moved = Tensor::<3>::from_data(TensorData::new(moved, shape), &plain);
                values(loss(&module, moved))[0]
            };
            let slope = (at(step) - at(-step)) / (2.0 * step);
            let scale = gradient
                .iter()
                .fold(0f32, |largest, g| largest.max(g.abs()));
            assert!(
                (gradient[index] - slope).abs() <= 0.03 * scale,
                "{family} {index}: {} and {slope}, largest {scale}",
                gradient[index]
            );
        }
    }
}
