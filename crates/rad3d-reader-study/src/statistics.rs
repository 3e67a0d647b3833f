//! Statistics of ratings: agreement, the signed-rank test, intervals of shares.

mod kappa;
mod wilcoxon;
mod wilson;

pub use kappa::{Kappas, quadratic_kappa};
pub use wilcoxon::{Method, Wilcoxon, wilcoxon};
pub use wilson::wilson;
