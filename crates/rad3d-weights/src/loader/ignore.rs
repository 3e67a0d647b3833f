//! Tensors that a network knows of and does not need, each with the reason.

use std::borrow::Cow;

/// Names a network has no use for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    /// A name in which each `*` stands for any run of characters, dots too.
    pub pattern: Cow<'static, str>,
    /// Why it is not needed, for the user.
    pub reason: Cow<'static, str>,
}

impl IgnoreRule {
    /// A rule from a pattern (`*` stands for anything) and its reason.
    pub fn new(
        pattern: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pattern: pattern.into(),
            reason: reason.into(),
        }
    }

    /// Whether the rule covers a tensor's name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }
}

/// Literal parts must follow each other in order, the first at the start, the last at the end.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What the CT-CLIP tower leaves in its published files (spec section 3), and
/// CT-LiPro's.
///
/// `classifier.*` is not among them: whoever loads a tower without its head says so by a rule.
#[must_use]
pub fn ct_clip_ignores() -> Vec<IgnoreRule> {
    const RULES: [(&str, &str); 13] = [
        (
            "text_transformer.*",
            "the text encoder; the image tower never looks at the text",
        ),
        (
            "to_text_latent.weight",
            "projects the text encoder's output",
        ),
        ("to_text_latent_extra.weight", "the reference never uses it"),
        (
            "to_visual_latent_extra.weight",
            "the reference never uses it",
        ),
        ("temperature", "scales image-text similarities"),
        (
            "visual_transformer.to_patch_emb_first_frame.*",
            "patches of single images; the reference never uses it for volumes",
        ),
        (
            "visual_transformer.to_pixels*",
            "decodes tokens back to voxels, in pretraining only",
        ),
        (
            "visual_transformer.enc_*_transformer.layers.*.1.context_norm.*",
            "a norm for cross attention, of which there is none",
        ),
        (
            "visual_transformer.enc_*_transformer.layers.*.1.null_kv",
            "null keys and values: an empty tensor",
        ),
        (
            "visual_transformer.vq._codebook.cluster_size",
            "codebook statistics for training",
        ),
        (
            "visual_transformer.vq._codebook.initted",
            "codebook flag for training",
        ),
        (
            "visual_transformer.vq._codebook.embed_avg",
            "codebook statistics for training, in files of newer library versions",
        ),
        (
            "visual_transformer.vq.zero",
            "a constant, in files of newer library versions",
        ),
    ];
    RULES
        .into_iter()
        .map(|(pattern, reason)| IgnoreRule::new(pattern, reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_between_the_literal_parts() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*", "a.b.c", true),
            ("a.*", "b.a.c", false),
            ("*.bias", "x.y.bias", true),
            ("*.bias", "x.y.bias2", false),
            ("layers.*.norm.*", "layers.3.norm.gamma", true),
            ("layers.*.norm.*", "layers.3.context_norm.gamma", false),
            ("a*a", "a", false),
            ("a*b*c", "axxbxxc", true),
            ("a*b*bc", "abc", false),
        ] {
            assert_eq!(
                IgnoreRule::new(pattern, "").matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
