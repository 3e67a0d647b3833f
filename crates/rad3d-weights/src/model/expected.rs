//! Every tensor that the parts of a model need, by name and shape.
//!
//! An import takes just these, through the [`Loader`](crate::Loader), so that a file with a tensor
//! too few, too many or of another shape is refused with all of them listed.

use super::manifest::TowerConfig;
use super::mapper::MapperConfig;

/// A name and a row-major shape.
pub(super) type Expected = (String, Vec<usize>);

/// The CT-ViT tower's, under CT-CLIP's names (spec section 2).
pub(super) fn tower(config: &TowerConfig) -> Vec<Expected> {
    let (dim, heads) = (config.dim, config.heads);
    let inner = heads * config.head_dim;
    let hidden = dim * 8 / 3;
    let voxels = config.patch_dhw.iter().product();
    let places =
        config.volume_dhw[1] / config.patch_dhw[1] * (config.volume_dhw[2] / config.patch_dhw[2]);
    let mut all = vec![(
        "to_visual_latent.weight".to_owned(),
        vec![config.latent, places * dim],
    )];
    let mut add = |name: String, shape: &[usize]| {
        all.push((format!("visual_transformer.{name}"), shape.to_vec()));
    };
    for (name, shape) in [
        ("1.weight", &[voxels][..]),
        ("1.bias", &[voxels]),
        ("2.weight", &[dim, voxels]),
        ("2.bias", &[dim]),
        ("3.weight", &[dim]),
        ("3.bias", &[dim]),
    ] {
        add(format!("to_patch_emb.{name}"), shape);
    }
    for (name, shape) in [
        ("0.0.weight", &[dim, 2][..]),
        ("0.0.bias", &[dim]),
        ("1.0.weight", &[dim, dim]),
        ("1.0.bias", &[dim]),
        ("2.weight", &[heads, dim]),
        ("2.bias", &[heads]),
    ] {
        add(format!("spatial_rel_pos_bias.net.{name}"), shape);
    }
    for (stack, depth) in [
        ("enc_spatial_transformer", config.spatial_depth),
        ("enc_temporal_transformer", config.temporal_depth),
    ] {
        for layer in 0..depth {
            for (name, shape) in [
                ("0.dsconv.weight", &[dim, 1, 3, 3, 3][..]),
                ("0.dsconv.bias", &[dim]),
                ("1.norm.gamma", &[dim]),
                ("1.norm.beta", &[dim]),
                ("1.to_q.weight", &[inner, dim]),
                ("1.to_kv.weight", &[2 * inner, dim]),
                ("1.q_scale", &[config.head_dim]),
                ("1.k_scale", &[config.head_dim]),
                ("1.to_out.weight", &[dim, inner]),
                ("3.0.weight", &[dim]),
                ("3.0.bias", &[dim]),
                ("3.1.weight", &[2 * hidden, dim]),
                ("3.4.weight", &[dim, hidden]),
            ] {
                add(format!("{stack}.layers.{layer}.{name}"), shape);
            }
        }
        add(format!("{stack}.norm_out.gamma"), &[dim]);
        add(format!("{stack}.norm_out.beta"), &[dim]);
    }
    if let Some(codes) = config.codebook {
        add("vq._codebook.embed".to_owned(), &[1, codes, dim]);
    }
    all
}

/// The abnormality head's, for `outputs` labels (spec section 2.6).
pub(super) fn head(latent: usize, outputs: usize) -> Vec<Expected> {
    vec![
        ("classifier.weight".to_owned(), vec![outputs, latent]),
        ("classifier.bias".to_owned(), vec![outputs]),
    ]
}

/// The transformer mapper's, under ClipCap's names (spec section 5).
pub(super) fn mapper(config: &MapperConfig) -> Vec<Expected> {
    let width = config.width;
    let spread = config.clip_length * width;
    let mut all = vec![
        ("linear.weight".to_owned(), vec![spread, config.input_dim]),
        ("linear.bias".to_owned(), vec![spread]),
        ("prefix_const".to_owned(), vec![config.prefix_length, width]),
    ];
    for layer in 0..config.layers {
        for (name, shape) in [
            ("norm1.weight", &[width][..]),
            ("norm1.bias", &[width]),
            ("attn.to_queries.weight", &[width, width]),
            ("attn.to_keys_values.weight", &[2 * width, width]),
            ("attn.project.weight", &[width, width]),
            ("attn.project.bias", &[width]),
            ("norm2.weight", &[width]),
            ("norm2.bias", &[width]),
            ("mlp.fc1.weight", &[2 * width, width]),
            ("mlp.fc1.bias", &[2 * width]),
            ("mlp.fc2.weight", &[width, 2 * width]),
            ("mlp.fc2.bias", &[width]),
        ] {
            all.push((format!("transformer.layers.{layer}.{name}"), shape.to_vec()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(all: &[Expected]) -> usize {
        all.iter()
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    #[test]
    fn the_papers_mapper_has_the_papers_parameters() {
        let config = |input_dim| MapperConfig {
            input_dim,
            width: 2048,
            clip_length: 10,
            prefix_length: 10,
            layers: 8,
            heads: 8,
        };
        assert_eq!(parameters(&mapper(&config(512))), 279_093_248);
        assert_eq!(parameters(&mapper(&config(530))), 279_461_888);
    }
}
