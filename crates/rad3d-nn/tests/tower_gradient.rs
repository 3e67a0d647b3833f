//! The tower's written-out gradient against finite differences, and its embeddings against the
//! inference path.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be read has failed the test"
)]

mod common;

use std::convert::Infallible;

use common::{Tensors, assert_close};
use rad3d_nn::ct_vit::gradient::GradientTower;
use rad3d_nn::{CtVit, CtVitConfig};

fn config() -> CtVitConfig {
    CtVitConfig {
        volume_dhw: [40, 60, 60],
        patch_dhw: [10, 20, 20],
        dim: 32,
        spatial_depth: 2,
        temporal_depth: 2,
        heads: 4,
        head_dim: 8,
        codebook: None,
        latent: 16,
    }
}

fn volumes() -> Vec<Vec<f32>> {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let video = golden.get("video");
    video
        .chunks_exact(40 * 60 * 60)
        .map(<[f32]>::to_vec)
        .collect()
}

fn tower() -> GradientTower {
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    GradientTower::load(&config(), &mut weights).unwrap()
}

/// What the loss weighs the embeddings' features by.
fn weight(place: usize) -> f32 {
    (place as f32 * 0.7).sin()
}

fn loss(tower: &GradientTower, volumes: &[Vec<f32>]) -> f64 {
    let latents = tower.embed(volumes).concat();
    let products = latents.iter().enumerate();
    products
        .map(|(place, latent)| f64::from(weight(place)) * f64::from(*latent))
        .sum()
}

#[test]
fn its_embeddings_are_those_of_the_inference_path() {
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let inference = CtVit::load(&config(), &mut weights).unwrap();
    let volumes = volumes();
    let expected = inference.encode(&volumes.concat()).unwrap();
    assert_close("latent", &tower().embed(&volumes).concat(), &expected, 5e-5);
}

#[test]
fn gradients_of_all_weights_are_those_of_finite_differences() {
    let (tower, volumes) = (tower(), volumes());
    let found = tower
        .gradient(&volumes, |latents| {
            Ok::<_, Infallible>((0..latents.len()).map(weight).collect())
        })
        .unwrap();
    let mut compared = 0;
    for parameter in tower.parameters() {
        if parameter.name.ends_with("beta") {
            assert!(found[parameter.range.clone()].iter().all(|g| *g == 0.0));
            continue;
        }
        let part = &found[parameter.range.clone()];
        // The largest entry and one from the middle: every kind of place, few passes.
        let largest = (0..part.len())
            .max_by(|&a, &b| part[a].abs().total_cmp(&part[b].abs()))
            .unwrap();
        for place in [largest, part.len() / 2] {
            // Small, since the offsets' network has kinks.
            let step = 2e-3;
            let at = |shift: f32| {
                let mut moved = tower.clone();
                let mut weights = tower.weights().to_vec();
                weights[parameter.range.start + place] += shift;
                assert!(moved.set_weights(weights));
                loss(&moved, &volumes)
            };
            let slope = ((at(step) - at(-step)) / f64::from(2.0 * step)) as f32;
            let tolerance = 0.03 * part[largest].abs() + 1e-3;
            assert!(
                (part[place] - slope).abs() <= tolerance,
                "{} {place}: {} and {slope}",
                parameter.name,
                part[place]
            );
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}

#[test]
fn a_codebook_is_refused() {
    let config = CtVitConfig {
        codebook: Some(64),
        ..config()
    };
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let error = GradientTower::load(&config, &mut weights).unwrap_err();
    assert!(error.to_string().contains("codebook"), "{error}");
}
