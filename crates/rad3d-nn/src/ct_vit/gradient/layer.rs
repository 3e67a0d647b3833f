//! One layer: convolution, attention, feed-forward, each added to its input.

use super::attention::{AttentionKept, AttentionLayout};
use super::bias::BiasPass;
use super::feed_forward::{FeedForwardKept, FeedForwardLayout};
use super::peg::PegLayout;
use crate::ct_vit::config::CtVitConfig;
use std::ops::Range;

/// Ranges of a layer's weights.
#[derive(Debug, Clone)]
pub(super) struct LayerLayout {
    peg: PegLayout,
    attention: AttentionLayout,
    feed_forward: FeedForwardLayout,
}

/// What the backward pass needs.
pub(super) struct LayerKept {
    /// The layer's input.
    x: Vec<f32>,
    /// The attention's.
    after_peg: Vec<f32>,
    attention: AttentionKept,
    feed_forward: FeedForwardKept,
}

impl LayerLayout {
    /// `take` gives a parameter of this layer its place.
    pub(super) fn new(
        config: &CtVitConfig,
        take: &mut dyn FnMut(&str, &[usize]) -> Range<usize>,
    ) -> Self {
        let (dim, inner, head_dim) = (config.dim, config.inner(), config.head_dim);
        let hidden = config.feed_forward_inner();
        Self {
            peg: PegLayout {
                weight: take("0.dsconv.weight", &[dim, 1, 3, 3, 3]),
                bias: take("0.dsconv.bias", &[dim]),
            },
            attention: AttentionLayout {
                gain: take("1.norm.gamma", &[dim]),
                shift: take("1.norm.beta", &[dim]),
                to_q: take("1.to_q.weight", &[inner, dim]),
                to_kv: take("1.to_kv.weight", &[2 * inner, dim]),
                q_scale: take("1.q_scale", &[head_dim]),
                k_scale: take("1.k_scale", &[head_dim]),
                to_out: take("1.to_out.weight", &[dim, inner]),
            },
            feed_forward: FeedForwardLayout {
                gain: take("3.0.weight", &[dim]),
                shift: take("3.0.bias", &[dim]),
                expand: take("3.1.weight", &[2 * hidden, dim]),
                contract: take("3.4.weight", &[dim, hidden]),
            },
        }
    }

    pub(super) fn forward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        x: Vec<f32>,
        length: usize,
        bias: Option<&BiasPass>,
    ) -> (Vec<f32>, LayerKept) {
        let after_peg = self.peg.forward(config.grid(), weights, &x);
        let (after_attention, attention) = self
            .attention
            .forward(config, weights, &after_peg, length, bias);
        let (out, feed_forward) = self.feed_forward.forward(weights, &after_attention);
        let kept = LayerKept {
            x,
            after_peg,
            attention,
            feed_forward,
        };
        (out, kept)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one for each thing that a backward pass takes"
    )]
    pub(super) fn backward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        back: Vec<f32>,
        kept: &LayerKept,
        length: usize,
        bias: Option<&BiasPass>,
        sums: &mut super::Sums,
    ) -> Vec<f32> {
        let super::Sums {
            weights: sums,
            bias: bias_sums,
        } = sums;
        let back = self
            .feed_forward
            .backward(weights, back, &kept.feed_forward, sums);
        let back = self.attention.backward(
            config,
            weights,
            &kept.after_peg,
            back,
            &kept.attention,
            length,
            bias.map(|bias| (bias, &mut **bias_sums)),
            sums,
        );
        self.peg
            .backward(config.grid(), weights, &kept.x, &back, sums)
    }
}
