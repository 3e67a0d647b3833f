//! Which scans lie under the given paths, and what each is called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_volume::VolumeError;

/// A scan to encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// File or folder name, as CT-RATE's `VolumeName`; the path below the given root where two
    /// scans share a name.
    pub(super) id: String,
    /// What to open: a volume file, a zip, or a folder of DICOM slices.
    pub(super) path: PathBuf,
}

/// Endings of files that are a scan each.
const VOLUME_ENDINGS: [&str; 7] = [".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr", ".zip"];

/// All scans under `inputs`, sorted by path, so that every job of an array sees the same list.
///
/// A given file is a scan. In a folder, each volume file or zip is one, and each folder that
/// directly holds DICOM slices is one.
pub(super) fn scans(inputs: &[PathBuf]) -> Result<Vec<Scan>, VolumeError> {
    let mut found = BTreeMap::new();
    for input in inputs {
        let facts = std::fs::metadata(input).map_err(|e| VolumeError::unreadable(input, e))?;
        if facts.is_dir() {
            let mut paths = Vec::new();
            walk(input, &mut Vec::new(), &mut paths)?;
            for path in paths {
                let below = path.strip_prefix(input).unwrap_or(&path).to_owned();
                found.insert(path, below);
            }
        } else {
            found.insert(input.clone(), PathBuf::from(name_of(input)));
        }
    }
    let mut uses = BTreeMap::new();
    for path in found.keys() {
        *uses.entry(name_of(path)).or_insert(0_usize) += 1;
    }
    let named = found.into_iter().map(|(path, below)| {
        let name = name_of(&path);
        let alone = uses.get(&name) == Some(&1);
        let id = if alone {
            name
        } else {
            below.to_string_lossy().into_owned()
        };
        Scan { id, path }
    });
    Ok(named.collect())
}

fn name_of(path: &Path) -> String {
    let resolved = if path.file_name().is_some() {
        None
    } else {
        path.canonicalize().ok()
    };
    let named = resolved.as_deref().unwrap_or(path);
    named
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Collects scans below `folder`; `above` are the folders on the way, so that links that lead back
/// up end.
fn walk(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    scans: &mut Vec<PathBuf>,
) -> Result<(), VolumeError> {
    let unreadable = |error| VolumeError::unreadable(folder, error);
    let real = folder.canonicalize().map_err(unreadable)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    let mut holds_slices = false;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if path.is_dir() {
            walk(&path, above, scans)?;
        } else if VOLUME_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            scans.push(path);
        } else if !holds_slices {
            holds_slices = is_dicom(&path, &name);
        }
    }
    if holds_slices {
        scans.push(folder.to_owned());
    }
    above.pop();
    Ok(())
}

/// Whether a file is a DICOM slice, by its ending or by the mark after its preamble.
fn is_dicom(path: &Path, lowercase_name: &str) -> bool {
    use std::io::Read;
    if lowercase_name == "dicomdir" {
        return false;
    }
    if lowercase_name.ends_with(".dcm") || lowercase_name.ends_with(".ima") {
        return true;
    }
    let mut start = [0_u8; 132];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.ends_with(b"DICM")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, name: &str, content: &[u8]) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn finds_files_and_series_and_names_them_apart() {
        let root = tempfile::tempdir().unwrap();
        let slice = [[0_u8; 128].as_slice(), b"DICM"].concat();
        touch(
            root.path(),
            "valid/valid_1/valid_1_a/valid_1_a_1.nii.gz",
            b"",
        );
        touch(root.path(), "x/scan.mha", b"");
        touch(root.path(), "y/scan.mha", b"");
        touch(root.path(), "z/series/slice1", &slice);
        touch(root.path(), "z/series/slice2", &slice);
        touch(root.path(), "z/notes.txt", b"no scan");
        let ids: Vec<String> = scans(&[root.path().to_owned()])
            .unwrap()
            .into_iter()
            .map(|scan| scan.id)
            .collect();
        assert_eq!(
            ids,
            ["valid_1_a_1.nii.gz", "x/scan.mha", "y/scan.mha", "series"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_up_end() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "a/scan.nrrd", b"");
        std::os::unix::fs::symlink(root.path(), root.path().join("a/up")).unwrap();
        assert_eq!(scans(&[root.path().to_owned()]).unwrap().len(), 1);
    }
}
