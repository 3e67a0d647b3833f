//! Transfer syntaxes: how a data set is written, and how its pixels are packed.

/// How pixels are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// As they are, one frame after the other.
    Native,
    /// Run lengths per byte plane.
    Rle,
    /// JPEG baseline, extended or lossless.
    Jpeg,
    /// JPEG-LS, lossless or near-lossless.
    JpegLs,
    /// JPEG 2000, lossless or not.
    Jpeg2000,
}

/// How the elements of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
    /// Explicit little endian inside a raw deflate stream.
    Deflated,
}

/// A transfer syntax that can be read (PS3.5 annex A, PS3.6 annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    uid: &'static str,
    /// The name PS3.6 gives it, shortened.
    pub(super) name: &'static str,
    pub(super) encoding: Encoding,
    pub(super) packing: Packing,
}

const fn syntax(
    uid: &'static str,
    name: &'static str,
    encoding: Encoding,
    packing: Packing,
) -> Syntax {
    Syntax {
        uid,
        name,
        encoding,
        packing,
    }
}

use Encoding::{Deflated, ExplicitBig, ExplicitLittle, ImplicitLittle};
use Packing::{Jpeg, Jpeg2000, JpegLs, Native, Rle};

const SYNTAXES: [Syntax; 13] = [
    syntax(
        "1.2.840.10008.1.2",
        "Implicit VR Little Endian",
        ImplicitLittle,
        Native,
    ),
    syntax(
        "1.2.840.10008.1.2.1",
        "Explicit VR Little Endian",
        ExplicitLittle,
        Native,
    ),
    syntax(
        "1.2.840.10008.1.2.1.99",
        "Deflated Explicit VR Little Endian",
        Deflated,
        Native,
    ),
    syntax(
        "1.2.840.10008.1.2.2",
        "Explicit VR Big Endian",
        ExplicitBig,
        Native,
    ),
    syntax("1.2.840.10008.1.2.5", "RLE Lossless", ExplicitLittle, Rle),
    syntax(
        "1.2.840.10008.1.2.4.50",
        "JPEG Baseline",
        ExplicitLittle,
        Jpeg,
    ),
    syntax(
        "1.2.840.10008.1.2.4.51",
        "JPEG Extended",
        ExplicitLittle,
        Jpeg,
    ),
    syntax(
        "1.2.840.10008.1.2.4.57",
        "JPEG Lossless",
        ExplicitLittle,
        Jpeg,
    ),
    syntax(
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless SV1",
        ExplicitLittle,
        Jpeg,
    ),
    syntax(
        "1.2.840.10008.1.2.4.80",
        "JPEG-LS Lossless",
        ExplicitLittle,
        JpegLs,
    ),
    syntax(
        "1.2.840.10008.1.2.4.81",
        "JPEG-LS Near-Lossless",
        ExplicitLittle,
        JpegLs,
    ),
    syntax(
        "1.2.840.10008.1.2.4.90",
        "JPEG 2000 Lossless",
        ExplicitLittle,
        Jpeg2000,
    ),
    syntax(
        "1.2.840.10008.1.2.4.91",
        "JPEG 2000",
        ExplicitLittle,
        Jpeg2000,
    ),
];

impl Syntax {
    /// The syntax of a UID; `None` for those that cannot be read.
    pub(super) fn of_uid(uid: &str) -> Option<Syntax> {
        SYNTAXES.into_iter().find(|syntax| syntax.uid == uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uid_finds_itself() {
        for syntax in SYNTAXES {
            assert_eq!(Syntax::of_uid(syntax.uid), Some(syntax));
        }
        assert_eq!(Syntax::of_uid("1.2.840.10008.1.2.4.100"), None);
    }
}
