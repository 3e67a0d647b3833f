//! The tower against the published code's values, stage by stage (spec 6).

mod common;

use std::collections::BTreeMap;

use common::{Tensors, assert_close};
use rad3d_nn::AbnormalityHead;
use rad3d_nn::cpu::{Isa, Precision};
use rad3d_nn::ct_vit::{CtVit, CtVitConfig, Stage, StageObserver};
use rad3d_weights::{Checkpoint, Loader, ct_clip_ignores};

const BATCH: usize = 2;
const STAGE_TOLERANCE: f32 = 5e-4;
const LATENT_TOLERANCE: f32 = 1e-5;

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

/// Keeps what it is shown, the batch's items one after the other.
#[derive(Default)]
struct Recorder {
    stages: BTreeMap<String, Vec<f32>>,
    codes: Vec<i64>,
}

impl StageObserver for Recorder {
    fn observe(&mut self, item: usize, stage: Stage, values: &[f32]) {
        let seen = self.stages.entry(stage.to_string()).or_default();
        assert_eq!(seen.len(), item * values.len(), "{stage} out of order");
        seen.extend(values);
    }

    fn observe_codes(&mut self, _: usize, codes: &[u32]) {
        self.codes.extend(codes.iter().map(|&code| i64::from(code)));
    }
}

/// `[batch, a, b, dim]` to `[batch, b, a, dim]`.
fn regroup(x: &[f32], a: usize, b: usize, dim: usize) -> Vec<f32> {
    let index = |item: usize, i: usize, j: usize| ((item * a + i) * b + j) * dim;
    (0..x.len() / (a * b * dim))
        .flat_map(|item| (0..b).flat_map(move |j| (0..a).map(move |i| index(item, i, j))))
        .flat_map(|start| x[start..start + dim].iter().copied())
        .collect()
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[test]
fn every_stage_matches_the_published_code_on_every_instruction_set() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let config = tiny();
    let (grid, dim) = (config.grid(), config.dim);
    for isa in Isa::available() {
        let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
        let tower = CtVit::load_for(isa, &config, &mut weights).unwrap();
        let mut seen = Recorder::default();
        let latent = tower
            .encode_observed(golden.get("video"), &mut seen)
            .unwrap();

        for (stage, values) in &seen.stages {
            let tolerance = match stage.as_str() {
                "pooled_flat" | "latent_prenorm" => LATENT_TOLERANCE,
                _ => STAGE_TOLERANCE,
            };
            assert_close(
                &format!("{}: {stage}", isa.name()),
                values,
                golden.get(stage),
                tolerance,
            );
        }
        for layer in ["spatial.0", "spatial.1", "temporal.0", "temporal.1"] {
            let at = |point: &str| &seen.stages[&format!("{layer}.{point}")];
            for (point, before, after) in [
                ("peg_out", "in", "after_peg"),
                ("attn_out", "after_peg", "after_attn"),
                ("ff_out", "after_attn", "after_layer"),
            ] {
                let name = format!("{layer}.{point}");
                let ours = difference(at(after), at(before));
                assert_close(&name, &ours, golden.get(&name), STAGE_TOLERANCE);
            }
        }
        let norm_out = regroup(&seen.stages["temporal.0.in"], grid.slab(), grid.t, dim);
        assert_close(
            "spatial",
            &norm_out,
            golden.get("spatial.norm_out"),
            STAGE_TOLERANCE,
        );
        let norm_out = regroup(&seen.stages["vq.in"], grid.t, grid.slab(), dim);
        assert_close(
            "temporal",
            &norm_out,
            golden.get("temporal.norm_out"),
            STAGE_TOLERANCE,
        );
        assert_eq!(seen.stages.len(), 1 + 4 * 4 + 4, "a stage was not shown");

        assert_eq!(seen.codes, golden.ids["vq.indices"]);
        assert_eq!(
            seen.stages["encoded_tokens"],
            golden.get("vq.out"),
            "codes' raw rows"
        );
        assert_close("latent", &latent, golden.get("latent"), LATENT_TOLERANCE);
        assert_eq!(latent.len(), BATCH * config.latent);
    }
}

/// The tiny tower in f32 and with bfloat16 products: what the rounding does to embedding and codes.
#[test]
fn bfloat16_products_move_the_embedding_by_little() {
    let golden = Tensors::read("ct-clip/ctclip_tiny_io.safetensors");
    let checkpoint = Checkpoint::open(common::fixture("ct-clip/lipro_tiny.pt")).unwrap();
    let mut loader = Loader::new(&checkpoint, ct_clip_ignores());
    let names = (0..18).map(|index| format!("label {index}")).collect();
    let head = AbnormalityHead::load(tiny().latent, names, &mut loader).unwrap();
    let logits = |latents: &[f32]| -> Vec<f32> {
        let rows = latents.chunks_exact(tiny().latent);
        rows.flat_map(|row| head.logits(row).unwrap()).collect()
    };
    // With a codebook all or nothing: a token keeps its code, and the embedding its bits, or not.
    let continuous = CtVitConfig {
        codebook: None,
        ..tiny()
    };
    for config in [tiny(), continuous] {
        let encode = |precision| {
            let mut weights = Tensors::read("ct-clip/ctclip_tiny.safetensors");
            let tower = CtVit::load_in(precision, &config, &mut weights).unwrap();
            let mut seen = Recorder::default();
            let latent = tower
                .encode_observed(golden.get("video"), &mut seen)
                .unwrap();
            (latent, seen)
        };
        let (exact, exact_stages) = encode(Precision::F32);
        let (rounded, rounded_stages) = encode(Precision::Bf16Emulated);
        let largest = |a: &[f32], b: &[f32]| {
            difference(a, b)
                .into_iter()
                .fold(0.0, |largest: f32, gap| largest.max(gap.abs()))
        };
        let gap = largest(&exact, &rounded);
        let cosine = exact
            .chunks_exact(config.latent)
            .zip(rounded.chunks_exact(config.latent))
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>())
            .fold(1.0, f32::min);
        let square = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>();
        let (before, after) = (
            &exact_stages.stages["vq.in"],
            &rounded_stages.stages["vq.in"],
        );
        let tokens = (square(&difference(before, after)) / square(before)).sqrt();
        let codes = exact_stages.codes.iter().zip(&rounded_stages.codes);
        let moved = codes.filter(|(a, b)| a != b).count();
        eprintln!(
            "codebook {:?}: embedding {gap:e}, cosine {cosine}, tokens {tokens:e}, {moved} of {} codes",
            config.codebook,
            exact_stages.codes.len()
        );
        assert!(tokens > 1e-4, "nothing was rounded");
        assert!(tokens < 3e-2, "tokens moved by {tokens}");
        if config.codebook.is_some() {
            assert_eq!(moved, 0, "codes changed");
            assert_eq!(exact, rounded, "the codebook takes up what rounding does");
        } else {
            let logits = largest(&logits(&exact), &logits(&rounded));
            eprintln!("logits {logits:e}");
            assert!(gap > 0.0 && gap < 1e-2 && cosine > 0.9998, "{gap} {cosine}");
            assert!(logits > 0.0 && logits < 3e-2, "{logits}");
        }
    }
}
