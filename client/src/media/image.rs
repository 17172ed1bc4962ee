//! An image before it is sent: checked, turned upright, without its metadata, and with a thumbnail.
//!
//! An image that stands upright keeps its pixels as they are encoded; only what describes them goes
//! (see `strip`). One that a camera marked as turned is turned and encoded anew, because the mark
//! goes with the metadata.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::{ImageError, strip};
use crate::crypto::blob::SIZE_MAX;
use crate::crypto::content::THUMBNAIL_LEN_MAX;

/// Most pixels of an image that is decoded: 8,192 × 6,144, above what telephones take. Decoded they
/// need 192 MiB at four bytes each.
pub const PIXELS_MAX: u64 = 48 * 1024 * 1024;
/// Most pixels of a thumbnail that came from others.
const THUMBNAIL_PIXELS_MAX: u64 = 1024 * 1024;
/// Quality of an image that had to be turned: no difference can be seen.
const TURNED_QUALITY: u8 = 92;
/// Longest side and quality of a thumbnail, until one fits; the last fits whatever it shows.
const THUMBNAILS: [(u32, u8); 5] = [(320, 75), (320, 55), (240, 50), (160, 40), (64, 30)];

/// An image as it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// The file, without metadata.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
    /// A JPEG of at most 16 KiB.
    pub thumbnail: Vec<u8>,
}

/// Checks `bytes`, takes the metadata out and makes a thumbnail. Takes up to a second.
///
/// # Errors
/// [`ImageError`] says why it is not sent.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, ImageError> {
    if u64::try_from(bytes.len()).is_ok_and(|len| len > SIZE_MAX) {
        return Err(ImageError::TooLarge);
    }
    let Decoded { image, format, orientation, profile } = decode(bytes, PIXELS_MAX)?;
    let thumbnail = thumbnail(&image);
    let bytes = match orientation {
        Orientation::NoTransforms => strip::strip(bytes, format)?,
        _ => encode(&image, format, profile)?,
    };
    if u64::try_from(bytes.len()).is_ok_and(|len| len > SIZE_MAX) {
        return Err(ImageError::TooLarge);
    }
    Ok(Prepared { bytes, media_type: format.to_mime_type(), thumbnail })
}

/// Decodes a thumbnail that came from others.
///
/// # Errors
/// [`ImageError`].
pub fn decode_thumbnail(bytes: &[u8]) -> Result<DynamicImage, ImageError> {
    decode(bytes, THUMBNAIL_PIXELS_MAX).map(|decoded| decoded.image)
}

struct Decoded {
    /// Upright.
    image: DynamicImage,
    format: ImageFormat,
    /// How it was turned to be upright.
    orientation: Orientation,
    /// The meaning of its colours.
    profile: Option<Vec<u8>>,
}

/// The first frame. Nothing is allocated for the pixels before their number was checked.
fn decode(bytes: &[u8], pixels_max: u64) -> Result<Decoded, ImageError> {
    let format = format(bytes).ok_or(ImageError::Format)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(pixels_max * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > pixels_max {
        return Err(ImageError::TooManyPixels { width, height });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let profile = decoder.icc_profile().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(Decoded { image, format, orientation, profile })
}

/// The formats that are sent as images.
pub(super) fn format(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];
    formats.contains(&format).then_some(format)
}

/// Encodes without any metadata but the meaning of the colours.
fn encode(
    image: &DynamicImage,
    format: ImageFormat,
    profile: Option<Vec<u8>>,
) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    match format {
        ImageFormat::Jpeg => {
            write(image, JpegEncoder::new_with_quality(&mut out, TURNED_QUALITY), profile)?;
        }
        ImageFormat::WebP => {
            let image = DynamicImage::from(image.to_rgba8());
            write(&image, WebPEncoder::new_lossless(&mut out), profile)?;
        }
        _ => write(image, PngEncoder::new(&mut out), profile)?,
    }
    Ok(out)
}

fn write(
    image: &DynamicImage,
    mut encoder: impl ImageEncoder,
    profile: Option<Vec<u8>>,
) -> Result<(), ImageError> {
    if let Some(profile) = profile
        && let Err(error) = encoder.set_icc_profile(profile)
    {
        tracing::debug!(%error, "the colour profile is left out");
    }
    image.write_with_encoder(encoder).map_err(damaged)
}

fn thumbnail(image: &DynamicImage) -> Vec<u8> {
    let mut jpeg = Vec::new();
    for (side, quality) in THUMBNAILS {
        let small = match image.width().max(image.height()) > side {
            true => image.thumbnail(side, side),
            false => image.clone(),
        };
        jpeg.clear();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
        on_white(&small).write_with_encoder(encoder).expect("a Vec takes every JPEG");
        if jpeg.len() <= THUMBNAIL_LEN_MAX {
            break;
        }
    }
    assert!(jpeg.len() <= THUMBNAIL_LEN_MAX, "64 × 64 pixels fit");
    jpeg
}

/// JPEG knows no transparency.
fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (from, to) in rgba.pixels().zip(rgb.pixels_mut()) {
        let [r, g, b, alpha] = from.0.map(u16::from);
        let over_white = |value: u16| (value * alpha + 255 * (255 - alpha)) / 255;
        to.0 = [r, g, b].map(|value| u8::try_from(over_white(value)).expect("at most 255"));
    }
    rgb
}

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::Damaged(error.to_string())
}
