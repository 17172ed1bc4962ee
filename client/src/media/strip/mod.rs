//! Takes what describes an image out of its file and leaves the pixels as they are encoded. Each
//! format's parts are listed that stay; everything else goes: EXIF with its places, times and
//! embedded thumbnails, XMP, IPTC, comments, vendors' parts, and whatever follows the image's end.

mod gif;
mod jpeg;
mod png;
mod webp;

use image::ImageFormat;

use super::ImageError;

/// The file without its metadata.
pub(super) fn strip(bytes: &[u8], format: ImageFormat) -> Result<Vec<u8>, ImageError> {
    let stripped = match format {
        ImageFormat::Jpeg => jpeg::strip(bytes),
        ImageFormat::Png => png::strip(bytes),
        ImageFormat::Gif => gif::strip(bytes),
        ImageFormat::WebP => webp::strip(bytes),
        _ => return Err(ImageError::Format),
    };
    stripped.ok_or_else(|| ImageError::Damaged("its parts do not fit together".to_owned()))
}

/// The first `len` bytes of `rest`, which moves on.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}
