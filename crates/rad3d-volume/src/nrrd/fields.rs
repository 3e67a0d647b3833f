//! The text of an NRRD header: its lines, and the words that fields are made of.

use std::path::{Path, PathBuf};

use crate::content::{self, shorten};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::Vec3;
use crate::stored::Element;
use crate::voxels::VoxelType;

/// The `field: value` lines of a header, names in lower case.
pub(super) struct Fields {
    pub(super) path: PathBuf,
    fields: Vec<(String, String)>,
    /// Byte after the blank line that ends the header.
    pub(super) end: u64,
}

impl Fields {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = content::first_bytes(path, content::TEXT_HEADER_LIMIT)?;
        if !super::looks_like(&bytes) {
            return Err(VolumeError::new(
                Fault::UnknownFormat,
                path,
                format!("is not NRRD: it is {}", content::describe(&bytes)),
                "check where the file came from; export it again",
            ));
        }
        let mut header = Self {
            path: path.to_owned(),
            fields: Vec::new(),
            end: 0,
        };
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let first = header.end == 0;
            header.end += line.len() as u64;
            let text = String::from_utf8_lossy(line);
            let text = text.trim_end_matches(['\n', '\r']);
            if first {
                header.check_version(text)?;
            } else if text.is_empty() && line.ends_with(b"\n") {
                return Ok(header);
            } else {
                header.take_line(text)?;
            }
        }
        if header.get("data file").is_some() && bytes.len() < content::TEXT_HEADER_LIMIT {
            return Ok(header);
        }
        Err(VolumeError::new(
            Fault::Truncated,
            path,
            "ends before the blank line after its NRRD header",
            "the copy was cut short; fetch or export the file again",
        ))
    }

    /// The value of a field (its name in lower case).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn check_version(&self, text: &str) -> Result<()> {
        let version = text
            .trim_end()
            .strip_prefix("NRRD")
            .and_then(|digits| digits.parse().ok());
        match version {
            Some(1..=5) => Ok(()),
            _ => Err(VolumeError::new(
                Fault::Unsupported,
                &self.path,
                format!(
                    "is of NRRD version `{}`; 0001 to 0005 are known",
                    shorten(text)
                ),
                "write it with 3D Slicer, SimpleITK or `unu save`",
            )),
        }
    }

    fn take_line(&mut self, text: &str) -> Result<()> {
        // Comments, and key/value pairs that mean nothing to a reader.
        if text.starts_with('#') || text.contains(":=") {
            return Ok(());
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(VolumeError::new(
                Fault::Header,
                &self.path,
                format!(
                    "has a header line that is no `field: value`: `{}`",
                    shorten(text)
                ),
                "the header is damaged; export the file again",
            ));
        };
        let name = match name.trim().to_ascii_lowercase().as_str() {
            "datafile" => "data file".to_owned(),
            "lineskip" => "line skip".to_owned(),
            "byteskip" => "byte skip".to_owned(),
            name => name.to_owned(),
        };
        self.fields.push((name, value.trim().to_owned()));
        Ok(())
    }
}

/// Vectors such as `(0.7,0,0) none (0,0,1)`; `None` if the text is anything else.
pub(super) fn vectors(text: &str) -> Option<Vec<Option<Vec3>>> {
    let mut vectors = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            vectors.push(None);
            rest = after.trim_start();
            continue;
        }
        let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
        let parts: Option<Vec<f64>> = inside
            .split(',')
            .map(|part| part.trim().parse().ok())
            .collect();
        vectors.push(Some(parts?.try_into().ok()?));
        rest = after.trim_start();
    }
    Some(vectors)
}

/// The element type that `type` names.
pub(super) fn element(name: &str) -> Option<Element> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    let kept = |voxel_type| Some(Element::Kept(voxel_type));
    match words.join(" ").as_str() {
        "signed char" | "int8" | "int8_t" => kept(VoxelType::I8),
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => kept(VoxelType::U8),
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            kept(VoxelType::I16)
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => {
            kept(VoxelType::U16)
        }
        "int" | "signed int" | "int32" | "int32_t" => kept(VoxelType::I32),
        "uint" | "unsigned int" | "uint32" | "uint32_t" => kept(VoxelType::U32),
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => Some(Element::I64),
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            Some(Element::U64)
        }
        "float" => kept(VoxelType::F32),
        "double" => kept(VoxelType::F64),
        _ => None,
    }
}

/// The anatomical frames that `space` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Lps,
    Ras,
    Las,
}

impl Space {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "left-posterior-superior" | "lps" => Some(Self::Lps),
            "right-anterior-superior" | "ras" => Some(Self::Ras),
            "left-anterior-superior" | "las" => Some(Self::Las),
            _ => None,
        }
    }

    /// What each coordinate is multiplied by to be one of LPS.
    pub(super) fn signs_to_lps(self) -> Vec3 {
        match self {
            Self::Lps => [1.0, 1.0, 1.0],
            Self::Ras => [-1.0, -1.0, 1.0],
            Self::Las => [1.0, -1.0, 1.0],
        }
    }
}
