//! Token batches and the loss of next tokens.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rad3d_nn::causal_lm::trainable::DecoderModule;

/// Sequences of a batch, padded on the right, and which predictions count.
pub(super) struct TokenBatch {
    /// `[batch, longest]`; padding is token 0, which nothing sees.
    pub(super) ids: Tensor<2, Int>,
    /// Places of real tokens in the flattened batch.
    places: Vec<i32>,
    /// The tokens at those places.
    targets: Vec<i32>,
    /// How much each of them counts; they sum to 1.
    weights: Vec<f32>,
    longest: usize,
}

impl TokenBatch {
    /// `weights` says how much each row's tokens count; empty where all count the same.
    pub(super) fn new(rows: &[&[u32]], weights: &[&[f32]], device: &Device) -> Self {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows.len() * longest);
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        for row in rows {
            for (index, &token) in row.iter().enumerate() {
                places.push((ids.len() + index) as i32);
                targets.push(token as i32);
            }
            ids.extend(row.iter().map(|&token| token as i32));
            ids.resize(ids.len() + longest - row.len(), 0);
        }
        let mut weights = weights.concat();
        weights.resize(targets.len(), 1.0);
        let total: f32 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        let shape = [rows.len(), longest];
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            places,
            targets,
            weights,
            longest,
        }
    }

    /// Number of tokens that are predicted.
    pub(super) fn tokens(&self) -> usize {
        self.targets.len()
    }

    /// Weighted mean cross-entropy of all tokens, given the residual stream `[batch, before + longest, _]`
    /// whose last `longest + 1` places, but for the very last, predict the tokens. Logits are
    /// made for real tokens alone.
    pub(super) fn loss(&self, llm: &DecoderModule, stream: Tensor<3>) -> Tensor<1> {
        let [batch, length, width] = stream.dims();
        let device = stream.device();
        let predictors = stream.narrow(1, length - self.longest - 1, self.longest);
        let rows = predictors.reshape([batch * self.longest, width]);
        let count = self.places.len();
        let index = |values: &[i32]| TensorData::new(values.to_vec(), [count]);
        let places = Tensor::<1, Int>::from_data(index(&self.places), &device);
        let rows = rows.select(0, places).unsqueeze::<3>();
        let logits = llm.logits(rows);
        let [_, _, vocabulary] = logits.dims();
        let logits = logits.reshape([count, vocabulary]);
        let targets = Tensor::<1, Int>::from_data(index(&self.targets), &device);
        let weights = TensorData::new(self.weights.clone(), [count, 1]);
        let chosen = log_softmax(logits, 1).gather(1, targets.reshape([count, 1]));
        (chosen * Tensor::from_data(weights, &device)).sum().neg()
    }
}
