//! The tower once more, in plain loops over f64 and straight from the specification, with the
//! mistakes that a port is likely to make. Shares nothing with the crate.

use crate::common::Tensors;

/// A mistake of spec section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    KeysFromNormalisedInput,
    NoQueryKeyNorm,
    ScaleByHeadDim,
    BiasTransposed,
    GegluHalvesSwapped,
    PegNotCausal,
    TemporalPegInTrueLayout,
    CodebookRawDistance,
    CodebookUnitRows,
    CodebookSkipped,
}

/// Every mistake, and how far it moves the embedding by the specification.
pub(crate) const MISTAKES: [(Mistake, f64); 10] = [
    (Mistake::KeysFromNormalisedInput, 0.72),
    (Mistake::NoQueryKeyNorm, 0.72),
    (Mistake::ScaleByHeadDim, 0.68),
    (Mistake::BiasTransposed, 0.27),
    (Mistake::GegluHalvesSwapped, 0.53),
    (Mistake::PegNotCausal, 0.69),
    (Mistake::TemporalPegInTrueLayout, 0.61),
    (Mistake::CodebookRawDistance, 0.52),
    (Mistake::CodebookUnitRows, 0.17),
    (Mistake::CodebookSkipped, 0.61),
];

const DIM: usize = 32;
const HEADS: usize = 4;
const HEAD_DIM: usize = 8;
const INNER: usize = HEADS * HEAD_DIM;
const T: usize = 4;
const H: usize = 3;
const W: usize = 3;
const DEPTH: usize = 2;

type Row = Vec<f64>;

pub(crate) struct PlainTower<'a> {
    pub(crate) weights: &'a Tensors,
    pub(crate) mistake: Option<Mistake>,
}

impl PlainTower<'_> {
    fn made(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn get(&self, name: &str) -> Row {
        let name = match name.strip_prefix('/') {
            Some(name) => name.to_owned(),
            None => format!("visual_transformer.{name}"),
        };
        self.weights
            .get(&name)
            .iter()
            .map(|&value| f64::from(value))
            .collect()
    }

    /// `weight · x + bias`; the weight is `[outputs, inputs]`.
    fn linear(&self, x: &[f64], weight: &str, bias: Option<&str>) -> Row {
        let weight = self.get(weight);
        let mut out: Row = weight.chunks(x.len()).map(|row| dot(row, x)).collect();
        if let Some(bias) = bias {
            out.iter_mut()
                .zip(self.get(bias))
                .for_each(|(out, bias)| *out += bias);
        }
        out
    }

    fn norm(&self, x: &[f64], gain: &str, shift: &str) -> Row {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        let affine = self.get(gain).into_iter().zip(self.get(shift));
        x.iter()
            .zip(affine)
            .map(|(x, (gain, shift))| (x - mean) * scale * gain + shift)
            .collect()
    }

    fn patches(&self, volume: &[f32]) -> Vec<Row> {
        let mut tokens = Vec::new();
        for t in 0..T {
            for y in 0..H {
                for x in 0..W {
                    let mut patch = Vec::new();
                    for d in 0..10 {
                        for h in 0..20 {
                            for w in 0..20 {
                                let at = ((t * 10 + d) * 60 + y * 20 + h) * 60 + x * 20 + w;
                                patch.push(f64::from(volume[at]));
                            }
                        }
                    }
                    let patch = self.norm(&patch, "to_patch_emb.1.weight", "to_patch_emb.1.bias");
                    let token =
                        self.linear(&patch, "to_patch_emb.2.weight", Some("to_patch_emb.2.bias"));
                    tokens.push(self.norm(&token, "to_patch_emb.3.weight", "to_patch_emb.3.bias"));
                }
            }
        }
        tokens
    }

    fn bias(&self, query: usize, key: usize) -> Row {
        let (query, key) = if self.made(Mistake::BiasTransposed) {
            (key, query)
        } else {
            (query, key)
        };
        let log = |a: usize, b: usize| {
            let offset = a as f64 - b as f64;
            if offset == 0.0 {
                0.0
            } else {
                offset.signum() * (offset.abs() + 1.0).ln()
            }
        };
        let mut x = vec![log(query / W, key / W), log(query % W, key % W)];
        for layer in ["0.0", "1.0"] {
            let name = |part: &str| format!("spatial_rel_pos_bias.net.{layer}.{part}");
            x = self.linear(&x, &name("weight"), Some(&name("bias")));
            x.iter_mut()
                .for_each(|x| *x = if *x < 0.0 { 0.1 * *x } else { *x });
        }
        let name = |part: &str| format!("spatial_rel_pos_bias.net.2.{part}");
        self.linear(&x, &name("weight"), Some(&name("bias")))
    }

    /// `place(n)` is the (t, y, x) at which token n is convolved.
    fn peg(&self, tokens: &[Row], p: &str, place: &dyn Fn(usize) -> [usize; 3]) -> Vec<Row> {
        let weight = self.get(&format!("{p}0.dsconv.weight"));
        let bias = self.get(&format!("{p}0.dsconv.bias"));
        let mut at = vec![0; tokens.len()];
        for n in 0..tokens.len() {
            let [t, y, x] = place(n);
            at[(t * H + y) * W + x] = n;
        }
        let before = if self.made(Mistake::PegNotCausal) {
            1
        } else {
            2
        };
        let find = |t: usize, y: usize, x: usize| {
            let t = t.checked_sub(before).filter(|&t| t < T)?;
            let y = y.checked_sub(1).filter(|&y| y < H)?;
            let x = x.checked_sub(1).filter(|&x| x < W)?;
            Some(at[(t * H + y) * W + x])
        };
        let convolve = |n: usize| {
            let [t, y, x] = place(n);
            let mut out = bias.clone();
            for tap in 0..27 {
                let (a, b, c) = (tap / 9, tap / 3 % 3, tap % 3);
                if let Some(m) = find(t + a, y + b, x + c) {
                    for d in 0..DIM {
                        out[d] += weight[d * 27 + tap] * tokens[m][d];
                    }
                }
            }
            out
        };
        (0..tokens.len()).map(convolve).collect()
    }

    fn attention(&self, rows: &[Row], p: &str, spatial: bool) -> Vec<Row> {
        let (mut queries, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let gains = [
            self.get(&format!("{p}1.q_scale")),
            self.get(&format!("{p}1.k_scale")),
        ];
        let unit = |head: &[f64], gain: &[f64]| -> Row {
            let length = dot(head, head).sqrt().max(1e-12);
            let length = if self.made(Mistake::NoQueryKeyNorm) {
                1.0
            } else {
                length
            };
            head.iter()
                .zip(gain)
                .map(|(x, gain)| x / length * gain)
                .collect()
        };
        for x in rows {
            let normed = self.norm(x, &format!("{p}1.norm.gamma"), &format!("{p}1.norm.beta"));
            let q = self.linear(&normed, &format!("{p}1.to_q.weight"), None);
            let from = if self.made(Mistake::KeysFromNormalisedInput) {
                &normed
            } else {
                x
            };
            let kv = self.linear(from, &format!("{p}1.to_kv.weight"), None);
            let per_head = |x: &[f64], gain: &[f64]| -> Vec<Row> {
                x.chunks(HEAD_DIM).map(|head| unit(head, gain)).collect()
            };
            queries.push(per_head(&q, &gains[0]));
            keys.push(per_head(&kv[..INNER], &gains[1]));
            values.push(kv[INNER..].to_vec());
        }
        let scale = if self.made(Mistake::ScaleByHeadDim) {
            (HEAD_DIM as f64).powf(-0.5)
        } else {
            8.0
        };
        let attend = |i: usize| {
            let mut merged = vec![0.0; INNER];
            for head in 0..HEADS {
                let score = |j: usize| {
                    let bias = if spatial { self.bias(i, j)[head] } else { 0.0 };
                    (dot(&queries[i][head], &keys[j][head]) * scale + bias).exp()
                };
                let scores: Row = (0..rows.len()).map(score).collect();
                let total: f64 = scores.iter().sum();
                for (score, value) in scores.iter().zip(&values) {
                    for d in head * HEAD_DIM..(head + 1) * HEAD_DIM {
                        merged[d] += score / total * value[d];
                    }
                }
            }
            self.linear(&merged, &format!("{p}1.to_out.weight"), None)
        };
        (0..rows.len()).map(attend).collect()
    }

    fn feed_forward(&self, x: &[f64], p: &str) -> Row {
        let normed = self.norm(x, &format!("{p}3.0.weight"), &format!("{p}3.0.bias"));
        let hidden = self.linear(&normed, &format!("{p}3.1.weight"), None);
        let (value, gate) = hidden.split_at(hidden.len() / 2);
        let swapped = self.made(Mistake::GegluHalvesSwapped);
        let (value, gate) = if swapped {
            (gate, value)
        } else {
            (value, gate)
        };
        let gated: Row = value
            .iter()
            .zip(gate)
            .map(|(v, g)| v * 0.5 * g * (1.0 + erf(g / 2f64.sqrt())))
            .collect();
        self.linear(&gated, &format!("{p}3.4.weight"), None)
    }

    /// `tokens` in the stack's own order, `length` of them in each row.
    fn stack(&self, mut tokens: Vec<Row>, name: &str, length: usize) -> Vec<Row> {
        let spatial = name == "enc_spatial_transformer";
        let true_layout = |n: usize| [n % T, n / T / W, n / T % W];
        let as_stored = |n: usize| [n / (H * W), n % (H * W) / W, n % W];
        let transposed = !spatial && self.made(Mistake::TemporalPegInTrueLayout);
        for layer in 0..DEPTH {
            let p = format!("{name}.layers.{layer}.");
            let place: &dyn Fn(usize) -> [usize; 3] =
                if transposed { &true_layout } else { &as_stored };
            let convolved = self.peg(&tokens, &p, place);
            add(&mut tokens, convolved);
            let attended = tokens
                .chunks(length)
                .flat_map(|row| self.attention(row, &p, spatial));
            let attended = attended.collect();
            add(&mut tokens, attended);
            let fed = tokens.iter().map(|x| self.feed_forward(x, &p)).collect();
            add(&mut tokens, fed);
        }
        let (gain, shift) = (
            format!("{name}.norm_out.gamma"),
            format!("{name}.norm_out.beta"),
        );
        tokens.iter().map(|x| self.norm(x, &gain, &shift)).collect()
    }

    fn quantise(&self, x: &[f64]) -> Row {
        if self.made(Mistake::CodebookSkipped) {
            return x.to_vec();
        }
        let embed = self.get("vq._codebook.embed");
        let mut best = (f64::NEG_INFINITY, &embed[..DIM]);
        for row in embed.chunks(DIM) {
            let length = dot(row, row).sqrt();
            let raw = self.made(Mistake::CodebookRawDistance);
            let similarity = dot(x, row) / if raw { 1.0 } else { length };
            if similarity > best.0 {
                best = (similarity, row);
            }
        }
        let row = best.1;
        let length = if self.made(Mistake::CodebookUnitRows) {
            dot(row, row).sqrt()
        } else {
            1.0
        };
        row.iter().map(|value| value / length).collect()
    }

    /// The embedding of one volume, of unit length.
    pub(crate) fn encode(&self, volume: &[f32]) -> Vec<f32> {
        let x = self.stack(self.patches(volume), "enc_spatial_transformer", H * W);
        let x = regroup(&x, T, H * W);
        let x = regroup(&self.stack(x, "enc_temporal_transformer", T), H * W, T);
        let x: Vec<Row> = x.iter().map(|x| self.quantise(x)).collect();
        let mut pooled = vec![0.0; H * W * DIM];
        for (n, token) in x.iter().enumerate() {
            for (d, value) in token.iter().enumerate() {
                pooled[n % (H * W) * DIM + d] += value / T as f64;
            }
        }
        let latent = self.linear(&pooled, "/to_visual_latent.weight", None);
        let length = dot(&latent, &latent).sqrt();
        latent.iter().map(|value| (value / length) as f32).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(tokens: &mut [Row], other: Vec<Row>) {
    for (x, other) in tokens.iter_mut().flatten().zip(other.into_iter().flatten()) {
        *x += other;
    }
}

/// `[a, b]` rows to `[b, a]` rows.
fn regroup(x: &[Row], a: usize, b: usize) -> Vec<Row> {
    (0..a * b).map(|n| x[n % a * b + n / a].clone()).collect()
}

/// Maclaurin's series, good to 1e-12 for the gates met here (|x| < 5).
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
