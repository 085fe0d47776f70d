//! The logo: a picture in a form that mail programs show.

use std::fmt;

use sha2::{Digest, Sha256};

/// The size of the largest logo. It is part of every mail.
pub(crate) const MAX_BYTES: usize = 100 * 1024;
/// The digest in bytes. It only has to differ for another picture of the same operator.
const DIGEST_BYTES: usize = 16;

/// A picture, which pages refer to by its digest, and which mails contain.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// The contents of the file.
    pub bytes: Vec<u8>,
    /// The kind, by the first bytes.
    pub kind: ImageKind,
    /// A digest of the contents in hexadecimal, for the URL and the `ETag`.
    pub digest: String,
}

/// The kind of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// PNG (ISO/IEC 15948).
    Png,
    /// JPEG.
    Jpeg,
    /// GIF, 87a or 89a.
    Gif,
}

impl Logo {
    /// Recognises the picture.
    ///
    /// # Errors
    /// Returns an error if it is too large, or of another kind.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("it is larger than {} KiB", MAX_BYTES / 1024));
        }
        let kind = ImageKind::of(&bytes).ok_or("it is not a PNG, JPEG or GIF picture")?;
        let digest = hex::encode(&Sha256::digest(&bytes)[..DIGEST_BYTES]);
        Ok(Self { bytes, kind, digest })
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logo").field("kind", &self.kind).field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl ImageKind {
    fn of(bytes: &[u8]) -> Option<Self> {
        let kinds: [(&[u8], Self); 4] = [
            (b"\x89PNG\r\n\x1a\n", Self::Png),
            (b"\xff\xd8\xff", Self::Jpeg),
            (b"GIF87a", Self::Gif),
            (b"GIF89a", Self::Gif),
        ];
        kinds.into_iter().find_map(|(magic, kind)| bytes.starts_with(magic).then_some(kind))
    }

    /// Returns the media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
        }
    }

    /// Returns the usual ending of a file name, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_recognised_by_its_first_bytes() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some(ImageKind::Png)),
            (b"\xff\xd8\xff\xe0....", Some(ImageKind::Jpeg)),
            (b"GIF87a", Some(ImageKind::Gif)),
            (b"GIF89a...", Some(ImageKind::Gif)),
            (b"", None),
            (b"\x89PNG\n", None),
            (b"GIF88a", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"RIFF....WEBPVP8 ", None),
            (b" GIF89a", None),
        ] {
            assert_eq!(Logo::new(bytes.to_vec()).ok().map(|logo| logo.kind), kind, "{bytes:?}");
        }
    }

    #[test]
    fn another_picture_has_another_digest_and_a_large_one_is_refused() {
        let of_size =
            |size: usize| Logo::new(b"GIF89a".iter().copied().chain(std::iter::repeat(0)).take(size).collect());
        let logo = of_size(MAX_BYTES).unwrap();
        assert_eq!((logo.digest.len(), logo.bytes.len()), (32, MAX_BYTES));
        assert_eq!(logo, of_size(MAX_BYTES).unwrap());
        assert_ne!(logo.digest, of_size(MAX_BYTES - 1).unwrap().digest);
        assert_eq!(of_size(MAX_BYTES + 1).unwrap_err(), "it is larger than 100 KiB");
        assert!(format!("{logo:?}").len() < 200, "the bytes are not in a log");
    }
}
