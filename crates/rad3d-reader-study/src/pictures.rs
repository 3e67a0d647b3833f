//! Pictures of the cases, embedded into the sheets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Fault, ReaderStudyError, Result, listed};

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Pictures by case, as data URIs.
#[derive(Debug, Clone, Default)]
pub struct Pictures(BTreeMap<String, Vec<String>>);

impl Pictures {
    /// Reads `ID.png`, or every PNG of a folder `ID` by name, for each of these cases.
    ///
    /// # Errors
    /// Cases without a picture (all are listed), files that cannot be read or are no PNG.
    pub fn read<S: AsRef<str>>(folder: &Path, cases: &[S]) -> Result<Self> {
        let mut pictures = BTreeMap::new();
        let mut missing = Vec::new();
        for case in cases.iter().map(AsRef::as_ref) {
            let files = files(folder, case)?;
            if files.is_empty() {
                missing.push(case);
                continue;
            }
            let uris = files.iter().map(|path| data_uri(path));
            pictures.insert(case.to_owned(), uris.collect::<Result<_>>()?);
        }
        if missing.is_empty() {
            return Ok(Self(pictures));
        }
        let what = format!("has no picture of {}", listed(&missing));
        let hint = "name them ID.png, or put several of a case into a folder of its id";
        Err(ReaderStudyError::new(Fault::Picture, folder, what, hint))
    }

    /// The pictures of a case; none if there are none.
    #[must_use]
    pub fn of(&self, case: &str) -> &[String] {
        self.0.get(case).map_or(&[], Vec::as_slice)
    }

    /// Whether no case has a picture.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn files(folder: &Path, case: &str) -> Result<Vec<PathBuf>> {
    // An id such as ../x must not lead out of the folder.
    if case.contains(['/', '\\']) || case.starts_with('.') {
        return Ok(Vec::new());
    }
    let single = folder.join(format!("{case}.png"));
    if single.is_file() {
        return Ok(vec![single]);
    }
    let own = folder.join(case);
    if !own.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |error| ReaderStudyError::unreadable(&own, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&own).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("png"))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn data_uri(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| ReaderStudyError::unreadable(path, error))?;
    if !bytes.starts_with(PNG_SIGNATURE) {
        let hint = "save the picture as PNG";
        return Err(ReaderStudyError::new(
            Fault::Picture,
            path,
            "is no PNG",
            hint,
        ));
    }
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}
