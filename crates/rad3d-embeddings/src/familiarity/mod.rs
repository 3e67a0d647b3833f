//! How unlike the training scans a scan is, seen from its embedding.
//!
//! A language model writes a fluent report for any prefix, so a scan unlike all scans of training
//! has to be caught before. The measure is the Mahalanobis distance under a Gaussian fitted to the
//! training embeddings. Its covariance is kept in the leading principal components; what lies
//! outside of them is taken to spread evenly, with the mean of the remaining eigenvalues
//! (probabilistic PCA: Tipping and Bishop 1999), so that a scan which differs in a direction never
//! seen in training is far away too.

mod eigen;
mod file;

use crate::error::{EmbeddingsError, Fault, Result};

/// Share of the variance that the leading components hold together.
const SHARE_KEPT: f64 = 0.95;
/// Embeddings for each component kept: fewer would fit their noise.
const EMBEDDINGS_PER_COMPONENT: usize = 8;
/// Least variance of any direction, against the largest: below it lies the rounding of f32.
const VARIANCE_FLOOR: f64 = 1e-5;

/// A Gaussian fitted to the embeddings of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Familiarity {
    /// `[latent]`
    mean: Vec<f32>,
    /// `[components, latent]`: unit eigenvectors over the square roots of their eigenvalues.
    whitening: Vec<f32>,
    /// Variance along each direction that no component covers; above 0.
    residual: f32,
}

/// The distances to hold a scan's against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FamiliarityLimits {
    /// Median distance of held-out scans.
    pub typical: f64,
    /// The distance beyond which a scan counts as unlike those of training.
    pub limit: f64,
}

impl Familiarity {
    /// Fits mean and components to training embeddings, each of one width.
    ///
    /// # Errors
    /// [`Fault::Content`] for fewer than 16 embeddings, for embeddings of several widths or with
    /// values that are not finite, and if all are the same.
    pub fn fit<'a>(embeddings: impl IntoIterator<Item = &'a [f32]>) -> Result<Self> {
        let rows: Vec<&[f32]> = embeddings.into_iter().collect();
        let width = rows.first().map_or(0, |row| row.len());
        let fault = |what: String| {
            let hint = "fit to the embeddings of one model's training scans, 16 or more";
            EmbeddingsError::new(Fault::Content, "embeddings", what, hint)
        };
        if rows.len() < 16 || width == 0 {
            return Err(fault(format!("are {} of width {width}", rows.len())));
        }
        for (index, row) in rows.iter().enumerate() {
            if row.len() != width || row.iter().any(|value| !value.is_finite()) {
                let what = format!("row {index} is no {width} finite numbers");
                return Err(fault(what));
            }
        }
        let mean = mean_of(&rows, width);
        let covariance = covariance_of(&rows, &mean);
        let total: f64 = (0..width).map(|at| covariance[at * width + at]).sum();
        if total <= 0.0 {
            return Err(fault("are all the same".into()));
        }
        let pairs = eigen::decompose(covariance, width);
        let most = (rows.len() / EMBEDDINGS_PER_COMPONENT).min(width);
        let mut held = 0.0;
        let kept = pairs
            .iter()
            .take(most)
            .take_while(|pair| {
                let wanted = held < SHARE_KEPT * total;
                held += pair.value;
                wanted
            })
            .count();
        let floor = pairs[0].value * VARIANCE_FLOOR;
        let (leading, rest) = pairs.split_at(kept);
        let rest_total: f64 = rest.iter().map(|pair| pair.value).sum();
        let residual = (rest_total / rest.len().max(1) as f64).max(floor);
        let whitening = leading.iter().flat_map(|pair| {
            let scale = pair.value.max(floor).sqrt().recip();
            pair.vector.iter().map(move |x| (x * scale) as f32)
        });
        Ok(Self {
            whitening: whitening.collect(),
            mean: mean.iter().map(|&x| x as f32).collect(),
            residual: residual as f32,
        })
    }

    /// Width of an embedding.
    #[must_use]
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Principal components kept.
    #[must_use]
    pub fn components(&self) -> usize {
        self.whitening.len() / self.mean.len()
    }

    /// Mahalanobis distance of an embedding from those of training, in standard deviations; the
    /// square root of [`Familiarity::width`] is usual.
    ///
    /// # Errors
    /// [`Fault::Mismatch`] for an embedding of another width, [`Fault::Content`] for one with
    /// values that are not finite.
    pub fn distance(&self, embedding: &[f32]) -> Result<f64> {
        let hint = "use the familiarity part with its own tower";
        let width = self.width();
        if embedding.len() != width {
            let what = format!("has {} values, {width} are expected", embedding.len());
            return Err(EmbeddingsError::new(
                Fault::Mismatch,
                "embedding",
                what,
                hint,
            ));
        }
        if embedding.iter().any(|value| !value.is_finite()) {
            let what = "holds values that are not finite";
            return Err(EmbeddingsError::new(
                Fault::Content,
                "embedding",
                what,
                hint,
            ));
        }
        let centred: Vec<f64> = embedding
            .iter()
            .zip(&self.mean)
            .map(|(&x, &mean)| f64::from(x) - f64::from(mean))
            .collect();
        let mut outside = dot(&centred, &centred);
        let mut squared = 0.0;
        for row in self.whitening.chunks_exact(width) {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let deviation = dot(&row, &centred);
            squared += deviation * deviation;
            // A row's length is one over the standard deviation along it.
            outside -= deviation * deviation / dot(&row, &row);
        }
        squared += outside.max(0.0) / f64::from(self.residual);
        Ok(squared.sqrt())
    }

    /// Typical distance and limit from scans like those of training that were held out from the
    /// fit: the median, and the distance that one of 100 exceeds. A limit further out lets scans
    /// of other body parts pass, since an embedding keeps mostly what its labels need.
    ///
    /// # Errors
    /// As [`Familiarity::distance`]; [`Fault::Content`] for fewer than 16 embeddings.
    pub fn limits<'a>(
        &self,
        held_out: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<FamiliarityLimits> {
        let distances = held_out.into_iter().map(|row| self.distance(row));
        let mut distances = distances.collect::<Result<Vec<f64>>>()?;
        if distances.len() < 16 {
            let what = format!("are {}", distances.len());
            let hint = "hold 16 embeddings or more out from the fit";
            return Err(EmbeddingsError::new(
                Fault::Content,
                "held-out embeddings",
                what,
                hint,
            ));
        }
        distances.sort_by(f64::total_cmp);
        let quantile =
            |share: f64| distances[(share * (distances.len() - 1) as f64).round() as usize];
        Ok(FamiliarityLimits {
            typical: quantile(0.5),
            limit: quantile(0.99),
        })
    }
}

fn mean_of(rows: &[&[f32]], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows {
        for (sum, &x) in mean.iter_mut().zip(*row) {
            *sum += f64::from(x);
        }
    }
    mean.iter().map(|sum| sum / rows.len() as f64).collect()
}

/// `[width, width]`, over n − 1.
fn covariance_of(rows: &[&[f32]], mean: &[f64]) -> Vec<f64> {
    let width = mean.len();
    let mut covariance = vec![0.0; width * width];
    let scale = 1.0 / (rows.len() - 1) as f64;
    for row in rows {
        let centred: Vec<f64> = row
            .iter()
            .zip(mean)
            .map(|(&x, mean)| f64::from(x) - mean)
            .collect();
        for (line, &x) in covariance.chunks_exact_mut(width).zip(&centred) {
            for (sum, &y) in line.iter_mut().zip(&centred) {
                *sum += scale * x * y;
            }
        }
    }
    covariance
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
