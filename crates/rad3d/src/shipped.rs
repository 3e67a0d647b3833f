//! Where the model lies that is used when none is named.

use std::path::{Path, PathBuf};

use rad3d_weights::MANIFEST_FILE;

use crate::exit::UsageError;

/// Names a model folder to use without `--model`.
pub(crate) const VARIABLE: &str = "RAD3D_MODEL";
/// The shipped model, in the repository and in an installation.
const PLACE: &str = "models/demo";

/// The folder that `RAD3D_MODEL` names; else `models/demo` beside the program or in a folder
/// above it, as in a checkout with `target/release/rad3d`; else in the working directory.
///
/// # Errors
/// Where it was looked for, if there is none.
pub(crate) fn model() -> Result<PathBuf, UsageError> {
    let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    if let Some(named) = named {
        return Ok(PathBuf::from(named));
    }
    let program = std::env::current_exe().and_then(|path| path.canonicalize());
    let beside = program.ok();
    let above = beside
        .iter()
        .flat_map(|program| program.ancestors().skip(1));
    let here = Path::new("");
    above
        .chain([here])
        .map(|folder: &Path| folder.join(PLACE))
        .find(|model| model.join(MANIFEST_FILE).is_file())
        .ok_or_else(|| {
            let beside = match beside.as_deref().and_then(Path::parent) {
                Some(folder) => format!("{} or above it", folder.display()),
                None => "the program's folder".into(),
            };
            UsageError::new(
                format!("no model: none was named, and {PLACE} is not in {beside}, nor here"),
                format!("name a model folder with --model or in {VARIABLE}"),
            )
        })
}
