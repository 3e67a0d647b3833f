//! Where the tower is computed.

use clap::ValueEnum;

#[cfg(not(feature = "train"))]
use crate::exit::UsageError;

/// Where the tower, most of a scan's arithmetic, is computed. Texts are always written by the CPU's
/// own kernels: one at a time, they are bound by memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Device {
    /// The processor
    #[default]
    Cpu,
    /// An NVIDIA card, if built with --features cuda
    Cuda,
    /// Any card, by Vulkan, Metal or DirectX, if built with --features wgpu
    Wgpu,
}

impl Device {
    /// `cpu`, `cuda` or `wgpu`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }

    /// What computes what, for the draft's provenance.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Cuda => "tower by CUDA, text by the CPU",
            Self::Wgpu => "tower by wgpu, text by the CPU",
        }
    }

    /// Refuses a device that isn't there, before any work is done for it.
    pub(crate) fn require(self) -> anyhow::Result<()> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "train")]
            card => Ok(rad3d_nn::trainable::engine_device(card.name()).map(|_| ())?),
            #[cfg(not(feature = "train"))]
            card => Err(card.not_built_in().into()),
        }
    }

    /// Nothing but the CPU is in this build.
    #[cfg(not(feature = "train"))]
    pub(crate) fn not_built_in(self) -> UsageError {
        let name = self.name();
        let what = format!("--device {name} is not in this build");
        UsageError::new(
            what,
            format!("leave it out, or build with --features {name}"),
        )
    }
}
