//! CT-LiPro's head, and every way into the tower's weights (spec 2.6 and 3).

mod common;

use common::{Tensors, assert_close, fixture};
use rad3d_nn::{AbnormalityHead, Calibration, CtVit, CtVitConfig, Fault};
use rad3d_weights::{Checkpoint, IgnoreRule, Loader, ct_clip_ignores};

fn labels(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("label {i}")).collect()
}

fn tiny() -> CtVitConfig {
    CtVitConfig {
        volume_dhw: [40, 60, 60],
        patch_dhw: [10, 20, 20],
        dim: 32,
        spatial_depth: 2,
        temporal_depth: 2,
        heads: 4,
        head_dim: 8,
        codebook: Some(64),
        latent: 16,
    }
}

#[test]
fn the_embedding_is_the_same_from_every_file_format() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    for file in ["ctclip_tiny.safetensors", "ctclip_tiny.pt", "lipro_tiny.pt"] {
        let checkpoint = Checkpoint::open(fixture(&format!("ct-clip/{file}"))).unwrap();
        let mut ignores = ct_clip_ignores();
        ignores.push(IgnoreRule::new(
            "classifier.*",
            "the head is not wanted here",
        ));
        let mut loader = Loader::new(&checkpoint, ignores);
        let tower = CtVit::load(&tiny(), &mut loader).unwrap();
        loader.finish().unwrap();
        let latent = tower.encode(golden.get("video")).unwrap();
        assert_close(file, &latent, golden.get("latent"), 1e-5);
    }
}

#[test]
fn logits_match_ct_lipro_from_voxels_on() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let checkpoint = Checkpoint::open(fixture("ct-clip/lipro_tiny.pt")).unwrap();
    let mut loader = Loader::new(&checkpoint, ct_clip_ignores());
    let tower = CtVit::load(&tiny(), &mut loader).unwrap();
    let head = AbnormalityHead::load(16, labels(18), &mut loader).unwrap();
    loader.finish().unwrap();
    let latent = tower.encode(golden.get("video")).unwrap();
    assert_close(
        "logits",
        &head.logits(&latent).unwrap(),
        golden.get("lipro_logits"),
        1e-5,
    );
}

#[test]
fn a_tower_of_another_size_is_refused_by_name() {
    let checkpoint = Checkpoint::open(fixture("ct-clip/ctclip_tiny.pt")).unwrap();
    let mut loader = Loader::new(&checkpoint, ct_clip_ignores());
    let config = CtVitConfig {
        latent: 17,
        temporal_depth: 3,
        ..tiny()
    };
    CtVit::load(&config, &mut loader).unwrap();
    let error = loader.finish().unwrap_err().to_string();
    for name in [
        "to_visual_latent.weight",
        "enc_temporal_transformer.layers.2.1.to_q.weight",
    ] {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_tower_without_codebook_pools_the_tokens_themselves() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let config = CtVitConfig {
        codebook: None,
        ..tiny()
    };
    let tower = CtVit::load(&config, &mut weights).unwrap();
    let latent = tower.encode(golden.get("video")).unwrap();
    let moved = common::distance(&latent, golden.get("latent"));
    assert!(
        (moved - 0.61).abs() < 0.0051,
        "skipping the codebook moves {moved}, stated 0.61"
    );
}

#[test]
fn voxels_that_are_not_finite_are_an_error() {
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let tower = CtVit::load(
        &CtVitConfig {
            codebook: None,
            ..tiny()
        },
        &mut weights,
    )
    .unwrap();
    let mut volume = vec![0.0; tower.config().voxels()];
    volume[1000] = f32::NAN;
    assert_eq!(tower.encode(&volume).unwrap_err().fault, Fault::NotFinite);
    assert_eq!(tower.encode(&volume[1..]).unwrap_err().fault, Fault::Shape);
}

#[test]
fn a_nan_voxel_does_not_hide_behind_the_codebook() {
    let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
    let tower = CtVit::load(&tiny(), &mut weights).unwrap();
    let mut volume = vec![0.0; tower.config().voxels()];
    volume[1000] = f32::NAN;
    assert_eq!(tower.encode(&volume).unwrap_err().fault, Fault::NotFinite);
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn head_of(weight: &[f32], bias: &[f32]) -> AbnormalityHead {
    let mut tensors = Tensors::read("mapper/mapper_tiny.safetensors");
    let shape = vec![bias.len(), weight.len() / bias.len()];
    tensors
        .values
        .insert("classifier.weight".into(), (shape.clone(), weight.to_vec()));
    tensors
        .values
        .insert("classifier.bias".into(), (vec![bias.len()], bias.to_vec()));
    AbnormalityHead::load(shape[1], labels(bias.len()), &mut tensors).unwrap()
}

#[test]
fn scores_follow_temperature_and_threshold() {
    let calibration = vec![
        Calibration {
            temperature: 2.0,
            threshold: 0.7,
        },
        Calibration {
            temperature: 0.5,
            threshold: 0.99,
        },
    ];
    let head = head_of(&[1.0, 1.0, 2.0, 0.0], &[0.5, -1.0])
        .with_calibration(calibration)
        .unwrap();
    // The negative feature must be cut off: logits 1.5 and 1.0.
    let scores = head.scores(&[1.0, -5.0]).unwrap();
    for (score, logit, probability, present) in [
        (scores[0], 1.5, 0.679_179, false),
        (scores[1], 1.0, 0.880_797, false),
    ] {
        assert!((score.logit - logit).abs() < 1e-6);
        assert!((score.probability - probability).abs() < 1e-6);
        assert_eq!(score.present, present);
    }
    let scores = head.scores(&[2.0, 0.0]).unwrap();
    assert!(scores[0].present && scores[1].present, "{scores:?}");
}

#[test]
fn impossible_calibrations_are_refused() {
    for calibration in [
        vec![],
        vec![Calibration {
            temperature: 0.0,
            threshold: 0.5,
        }],
        vec![Calibration {
            temperature: f32::NAN,
            threshold: 0.5,
        }],
        vec![Calibration {
            temperature: 1.0,
            threshold: 1.5,
        }],
    ] {
        let error = head_of(&[1.0], &[0.0])
            .with_calibration(calibration)
            .unwrap_err();
        assert_eq!(error.fault, Fault::Config);
    }
}
