//! A port that makes one of the likely mistakes must not match: it shows that the golden values
//! can tell (spec 6).

mod common;
#[path = "common/plain_tower.rs"]
mod plain_tower;

use common::{Tensors, assert_close, distance};
use plain_tower::{MISTAKES, PlainTower};

fn first_embedding() -> (Tensors, Tensors) {
    let weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    (weights, Tensors::read("ct-clip/ctclip_tiny_io.safetensors"))
}

#[test]
fn plain_loops_without_a_mistake_match() {
    let (weights, golden) = first_embedding();
    let tower = PlainTower {
        weights: &weights,
        mistake: None,
    };
    let volumes = golden.get("video").chunks(40 * 60 * 60);
    for (volume, latent) in volumes.zip(golden.get("latent").chunks(16)) {
        assert_close("latent", &tower.encode(volume), latent, 1e-5);
    }
}

#[test]
fn every_mistake_is_far_from_the_golden_embedding() {
    let (weights, golden) = first_embedding();
    for (mistake, stated) in MISTAKES {
        let tower = PlainTower {
            weights: &weights,
            mistake: Some(mistake),
        };
        let volumes = golden.get("video").chunks(40 * 60 * 60);
        let latents: Vec<f32> = volumes.flat_map(|volume| tower.encode(volume)).collect();
        let moved = f64::from(distance(&latents, golden.get("latent")));
        assert!(
            (moved - stated).abs() < 0.01,
            "{mistake:?} moves {moved:.4}, stated {stated}"
        );
    }
}
