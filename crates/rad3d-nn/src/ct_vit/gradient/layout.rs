//! Where each parameter lies in one long row.

use std::ops::Range;

use super::bias::BiasLayout;
use super::layer::LayerLayout;
use super::patch::PatchLayout;
use super::stack::StackLayout;
use crate::causal_lm::gradient::Parameter;
use crate::ct_vit::config::CtVitConfig;
use crate::ct_vit::observer::Stack;

/// Ranges of all weights.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) patch: PatchLayout,
    pub(super) bias: BiasLayout,
    pub(super) spatial: StackLayout,
    pub(super) temporal: StackLayout,
    pub(super) projection: Range<usize>,
    pub(super) parameters: Vec<Parameter>,
}

impl Layout {
    pub(super) fn new(config: &CtVitConfig) -> Self {
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut add = |name: String, shape: &[usize]| {
            let start = parameters.last().map_or(0, |last| last.range.end);
            let range = start..start + shape.iter().product::<usize>();
            parameters.push(Parameter {
                name,
                shape: shape.to_vec(),
                range: range.clone(),
            });
            range
        };
        let (dim, voxels) = (config.dim, config.patch_voxels());
        let mut tower =
            |part: &str, shape: &[usize]| add(format!("visual_transformer.{part}"), shape);
        let patch = PatchLayout {
            voxel_gain: tower("to_patch_emb.1.weight", &[voxels]),
            voxel_shift: tower("to_patch_emb.1.bias", &[voxels]),
            weight: tower("to_patch_emb.2.weight", &[dim, voxels]),
            bias: tower("to_patch_emb.2.bias", &[dim]),
            gain: tower("to_patch_emb.3.weight", &[dim]),
            shift: tower("to_patch_emb.3.bias", &[dim]),
        };
        let mut bias =
            |part: &str, shape: &[usize]| tower(&format!("spatial_rel_pos_bias.net.{part}"), shape);
        let bias = BiasLayout {
            layers: [
                (bias("0.0.weight", &[dim, 2]), bias("0.0.bias", &[dim])),
                (bias("1.0.weight", &[dim, dim]), bias("1.0.bias", &[dim])),
                (
                    bias("2.weight", &[config.heads, dim]),
                    bias("2.bias", &[config.heads]),
                ),
            ],
        };
        let mut stack = |stack: Stack, depth: usize| {
            let name = |part: &str| format!("enc_{stack}_transformer.{part}");
            let layers = (0..depth)
                .map(|index| {
                    let mut take = |part: &str, shape: &[usize]| {
                        tower(&name(&format!("layers.{index}.{part}")), shape)
                    };
                    LayerLayout::new(config, &mut take)
                })
                .collect();
            StackLayout {
                layers,
                gain: tower(&name("norm_out.gamma"), &[dim]),
                shift: tower(&name("norm_out.beta"), &[dim]),
            }
        };
        let spatial = stack(Stack::Spatial, config.spatial_depth);
        let temporal = stack(Stack::Temporal, config.temporal_depth);
        let projection = add(
            "to_visual_latent.weight".to_owned(),
            &[config.latent, config.latent_inputs()],
        );
        Self {
            patch,
            bias,
            spatial,
            temporal,
            projection,
            parameters,
        }
    }
}
