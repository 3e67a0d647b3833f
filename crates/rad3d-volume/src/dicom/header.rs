//! The header pass: what one file says of itself, read up to its pixels and no further.

use std::cell::Cell;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::rc::Rc;

use dicom_core::Tag;
use dicom_core::header::{HasLength as _, Length};
use dicom_dictionary_std::tags;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::entries;

use super::attributes::Attributes;
use super::image::Image;
use super::source::{Source, Start};
use super::syntax::{Encoding, Syntax};
use crate::error::{Fault, Result, VolumeError};

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// A DICOM file with pixels.
    Image(Box<Image>),
    /// A DICOM file without: a report, a directory. Its modality or SOP class.
    Other(String),
    /// Not DICOM.
    Foreign,
}

/// Longest attribute value that is kept; everything wanted here is far shorter.
const LONGEST_VALUE: u32 = 1 << 16;

/// Whether a file that starts so is DICOM.
///
/// With the preamble of PS3.10 there is no doubt. Without it the first element must be of group
/// 0002 or 0008 and look like an element: a known VR, or a short length.
pub(crate) fn looks_like_dicom(head: &[u8]) -> bool {
    head.get(128..132) == Some(b"DICM")
        || head.starts_with(b"DICM")
        || head.get(..8).is_some_and(bare_element)
}

fn bare_element(head: &[u8]) -> bool {
    let group = u16::from_le_bytes([head[0], head[1]]);
    let element = u16::from_le_bytes([head[2], head[3]]);
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    matches!(group, 0x0002 | 0x0008) && element <= 0x0020 && (explicit_vr(head) || length <= 128)
}

/// Whether the element's header names a value representation.
fn explicit_vr(head: &[u8]) -> bool {
    matches!(
        &head[4..6],
        b"UL" | b"OB" | b"UI" | b"CS" | b"SH" | b"DA" | b"TM" | b"LO" | b"DT"
    )
}

/// Reads the header of `source`.
pub(crate) fn read(source: &Source) -> Result<Found> {
    let file_len = source.len()?;
    let opening = source.read(|file| opening(source, file))?;
    let Some((start, syntax_uid)) = opening else {
        return Ok(Found::Foreign);
    };
    let Some(syntax) = Syntax::of_uid(&syntax_uid) else {
        return unknown_syntax(source, start, &syntax_uid);
    };
    let start = Start {
        deflated: syntax.encoding == Encoding::Deflated,
        ..start
    };
    let walked = source.read_data_set(start, 0, |data_set| {
        walk(source, data_set, syntax.encoding, file_len)
    })?;
    let (attributes, pixels) = walked;
    match pixels {
        Some(pixels) => {
            let image = Image::new(source.clone(), syntax, start, pixels, &attributes)?;
            image.check_length(file_len)?;
            Ok(Found::Image(Box::new(image)))
        }
        None if attributes.says_image() => Err(VolumeError::new(
            Fault::Truncated,
            source.path(),
            "is a DICOM image without pixel data",
            "the file is incomplete; copy or export it again, or leave it out",
        )),
        None => match attributes.kind() {
            Some(kind) => Ok(Found::Other(kind)),
            None if start.offset == 0 => Ok(Found::Foreign),
            None => Err(VolumeError::new(
                Fault::Truncated,
                source.path(),
                "ends before its header says what it is",
                "the file is incomplete; copy or export it again, or leave it out",
            )),
        },
    }
}

/// A syntax that cannot be read still has a readable header; but its pixels are out of reach.
fn unknown_syntax(source: &Source, start: Start, uid: &str) -> Result<Found> {
    let walked = source.read_data_set(start, 0, |data_set| {
        walk(source, data_set, Encoding::ExplicitLittle, source.len()?)
    });
    match walked {
        Ok((attributes, None)) if !attributes.says_image() => Ok(Found::Other(
            attributes
                .kind()
                .unwrap_or_else(|| "unknown kind".to_owned()),
        )),
        _ => Err(VolumeError::new(
            Fault::Unsupported,
            source.path(),
            format!("is written in transfer syntax {uid}, which cannot be read"),
            "convert it to Explicit VR Little Endian (dcmtk's dcmdjpeg or gdcmconv --raw)",
        )),
    }
}

/// Finds the data set and its transfer syntax; `None` if this is not DICOM.
fn opening(source: &Source, file: &mut dyn BufRead) -> Result<Option<(Start, String)>> {
    let mut head = Vec::new();
    file.take(132)
        .read_to_end(&mut head)
        .map_err(|e| VolumeError::unreadable(source.path(), e))?;
    if !looks_like_dicom(&head) {
        return Ok(None);
    }
    let skipped: usize = if head.get(128..132) == Some(b"DICM") {
        132
    } else if head.starts_with(b"DICM") {
        4
    } else {
        0
    };
    let mut rest = head.split_off(skipped.min(head.len()));
    // The meta group is a few hundred bytes; 64 KiB hold the largest seen many times over.
    file.take(1 << 16)
        .read_to_end(&mut rest)
        .map_err(|e| VolumeError::unreadable(source.path(), e))?;
    let (meta_len, uid) = meta_group(&rest);
    let start = Start {
        offset: (skipped + meta_len) as u64,
        deflated: false,
    };
    let guess = || match rest.get(meta_len..meta_len + 8) {
        Some(head) if explicit_vr(head) => "1.2.840.10008.1.2.1",
        _ => "1.2.840.10008.1.2",
    };
    Ok(Some((start, uid.unwrap_or_else(|| guess().to_owned()))))
}

/// Length of the file meta group (explicit little endian, PS3.10 7.1) and the transfer syntax it
/// names.
fn meta_group(bytes: &[u8]) -> (usize, Option<String>) {
    let mut at = 0;
    let mut uid = None;
    while let Some(head) = bytes.get(at..at + 8) {
        if head[..2] != [2, 0] {
            break;
        }
        let long = matches!(&head[4..6], b"OB" | b"OW" | b"UN" | b"SQ" | b"UT");
        let (value_at, len) = if long {
            let Some(len) = bytes.get(at + 8..at + 12) else {
                break;
            };
            (
                at + 12,
                u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize,
            )
        } else {
            (at + 8, usize::from(u16::from_le_bytes([head[6], head[7]])))
        };
        let Some(value) = value_at
            .checked_add(len)
            .and_then(|end| bytes.get(value_at..end))
        else {
            break;
        };
        if head[2..4] == [0x10, 0] {
            let text = String::from_utf8_lossy(value);
            uid = Some(text.trim_matches(['\0', ' ']).to_owned());
        }
        at = value_at + len;
    }
    (at, uid)
}

/// Where the pixels lie in the data set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    /// Byte of the data set at which the value of Pixel Data begins.
    pub(super) offset: u64,
    /// Bytes of the value; `None` when it is encapsulated.
    pub(super) len: Option<u32>,
}

/// Walks the elements up to the pixels, keeping the few attributes that matter.
fn walk(
    source: &Source,
    data_set: &mut dyn Read,
    encoding: Encoding,
    file_len: u64,
) -> Result<(Attributes, Option<Pixels>)> {
    let broken = |what: String| {
        let hint = "the file is incomplete or damaged; copy or export it again, or leave it out";
        VolumeError::new(Fault::Header, source.path(), what, hint)
    };
    let syntax = match encoding {
        Encoding::ImplicitLittle => entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        Encoding::ExplicitLittle | Encoding::Deflated => {
            entries::EXPLICIT_VR_LITTLE_ENDIAN.erased()
        }
        Encoding::ExplicitBig => entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
    };
    let position = Rc::new(Cell::new(0));
    let counted = Counted {
        inner: std::io::BufReader::new(data_set),
        position: position.clone(),
    };
    let mut tokens = LazyDataSetReader::new_with_ts(counted, &syntax)
        .map_err(|e| broken("its data set cannot be read".into()).because(e))?;
    let mut attributes = Attributes::new(encoding == Encoding::ExplicitBig);
    let mut path: Vec<(Tag, usize)> = Vec::new();
    while let Some(token) = tokens.advance() {
        let token = token.map_err(|e| {
            broken(format!(
                "its header breaks off at byte {} of the data set",
                position.get()
            ))
            .because(e)
        })?;
        match token {
            LazyDataToken::PixelSequenceStart => {
                return Ok((
                    attributes,
                    Some(Pixels {
                        offset: position.get(),
                        len: None,
                    }),
                ));
            }
            LazyDataToken::ElementHeader(header) => {
                if header.tag == tags::PIXEL_DATA && path.is_empty() {
                    let len = header.length().get();
                    return Ok((
                        attributes,
                        Some(Pixels {
                            offset: position.get(),
                            len,
                        }),
                    ));
                }
                if header.tag > tags::PIXEL_DATA && path.is_empty() {
                    return Ok((attributes, None));
                }
            }
            LazyDataToken::SequenceStart { tag, .. } => {
                if path.len() > 64 {
                    return Err(broken(
                        "its header nests sequences more than 64 deep".into(),
                    ));
                }
                path.push((tag, 0));
            }
            LazyDataToken::ItemStart { .. } => {}
            LazyDataToken::ItemEnd => {
                if let Some((_, item)) = path.last_mut() {
                    *item += 1;
                }
            }
            LazyDataToken::SequenceEnd => {
                path.pop();
            }
            LazyDataToken::LazyValue { header, decoder } => {
                let Length(len) = header.length();
                if encoding != Encoding::Deflated && u64::from(len) > file_len {
                    return Err(broken(format!(
                        "element {} claims {len} bytes, the file has {file_len}",
                        header.tag
                    )));
                }
                let cut =
                    |e| broken(format!("the file ends within element {}", header.tag)).because(e);
                if len <= LONGEST_VALUE && attributes.wants(&path, header.tag) {
                    let mut value = Vec::with_capacity(len as usize);
                    decoder.read_to_vec(len, &mut value).map_err(cut)?;
                    attributes.keep(&path, header.tag, value);
                } else {
                    decoder.skip_bytes(len).map_err(cut)?;
                }
            }
            LazyDataToken::LazyItemValue { len, decoder } => {
                decoder
                    .skip_bytes(len)
                    .map_err(|e| broken("ends too early".into()).because(e))?;
            }
            _ => {}
        }
    }
    Ok((attributes, None))
}

/// A reader that tells how far it has come.
struct Counted<R> {
    inner: R,
    position: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }
}

/// The parser asks for the position and may step forward; a stream can do no more.
impl<R: Read> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let here = self.position.get();
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(step) => here.checked_add_signed(step),
            SeekFrom::End(_) => None,
        };
        let ahead = target
            .and_then(|target| target.checked_sub(here))
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::Unsupported))?;
        super::source::skip(self, ahead)?;
        Ok(here + ahead)
    }
}
