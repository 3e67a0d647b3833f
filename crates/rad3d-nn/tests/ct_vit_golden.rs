//! The tower against the published code's values, stage by stage (spec 6).

mod common;

use std::collections::BTreeMap;

use common::{Tensors, assert_close};
use rad3d_nn::cpu::Isa;
use rad3d_nn::ct_vit::{CtVit, CtVitConfig, Stage, StageObserver};

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
