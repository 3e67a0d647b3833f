//! What the verbs that take a scan ask alike: which one, and how to take it.

use std::path::PathBuf;

use clap::ValueEnum;
use rad3d_volume::{
    HuMode, Input, MetadataRow, OrientationMode, PrepareOptions, Recipe, Result, Volume,
};

/// Which scan to take, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    /// DICOM file, folder or .zip; NIfTI (.nii, .nii.gz); MetaImage (.mha, .mhd); NRRD
    pub(crate) input: PathBuf,

    /// Take this DICOM series instead of the best chest CT
    #[arg(long, value_name = "UID")]
    pub(crate) series: Option<String>,

    /// How stored values become Hounsfield units
    #[arg(long, value_enum, default_value_t = HuArg::Auto)]
    pub(crate) hu: HuArg,

    /// CT-RATE's metadata table with this scan's rescale and spacing
    #[arg(long, value_name = "CSV")]
    pub(crate) metadata: Option<PathBuf>,

    /// Which way the voxel axes point
    #[arg(long, value_enum, default_value_t = OrientationArg::Header)]
    pub(crate) orientation: OrientationArg,

    /// Go on with what is no chest CT, has large gaps, or several patients
    #[arg(long)]
    pub(crate) force: bool,
}

/// What the tensor is to be like, where no model says it.
#[derive(Debug, clap::Args)]
pub(crate) struct RecipeArgs {
    /// Preprocessing recipe: ct-clip, ct2rep, or a .toml file
    #[arg(long, default_value = "ct-clip", value_name = "RECIPE")]
    recipe: String,
}

impl RecipeArgs {
    /// The recipe.
    pub(crate) fn recipe(&self) -> Result<Recipe> {
        Recipe::find(&self.recipe)
    }
}

/// How stored values become Hounsfield units.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum HuArg {
    /// Decide from header, table and histogram; refuse when they leave doubt
    Auto,
    /// Stored values: apply the header's rescale, then the table's
    Raw,
    /// Hounsfield units as they are stored: apply none
    Hu,
}

/// Which way the voxel axes point.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OrientationArg {
    /// As the header says; turned to what the recipe wants
    Header,
    /// Left, posterior, superior, whatever the header says (raw arrays)
    Keep,
}

impl ScanArgs {
    /// What the user decides instead of us.
    pub(crate) fn options(&self) -> Result<PrepareOptions> {
        let metadata = match &self.metadata {
            Some(table) => Some(MetadataRow::find(table, &self.input)?),
            None => None,
        };
        Ok(PrepareOptions {
            hu: match self.hu {
                HuArg::Auto => HuMode::Auto,
                HuArg::Raw => HuMode::Raw,
                HuArg::Hu => HuMode::Hu,
            },
            orientation: match self.orientation {
                OrientationArg::Header => OrientationMode::FromHeader,
                OrientationArg::Keep => OrientationMode::Keep,
            },
            metadata,
            force: self.force,
        })
    }

    /// Reads the series that the user or the rule chooses: its index, its volume.
    pub(crate) fn read_from(&self, input: &Input) -> Result<(usize, Volume)> {
        let chosen = input.choose(self.series.as_deref(), self.force)?;
        Ok((chosen, input.read(chosen, self.force)?))
    }
}
