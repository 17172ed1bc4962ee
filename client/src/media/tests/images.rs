//! Images lose what describes them and keep their pixels; bombs are refused before they are
//! decoded.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, Frame, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Rgb, RgbImage,
};
use proptest::prelude::*;

use crate::crypto::content::THUMBNAIL_LEN_MAX;
use crate::media::ImageError;
use crate::media::image::prepare;
use crate::media::kind::media_type;

/// A TIFF header with one tag: the orientation; and a text that must not travel.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend_from_slice(b"canary: 52.5 north");
    exif
}

/// 40 by 20, its left half dark.
fn picture() -> DynamicImage {
    let pixel = |x, y| {
        if x < 20 { Rgb([9, 20, 30]) } else { Rgb([250, 240, u8::try_from(y * 3).expect("small")]) }
    };
    RgbImage::from_fn(40, 20, pixel).into()
}

fn encoded(mut encoder: impl ImageEncoder, exif: Vec<u8>) {
    encoder.set_exif_metadata(exif).expect("is supported");
    picture().write_with_encoder(encoder).expect("encodes");
}

fn jpeg(orientation: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encoded(JpegEncoder::new_with_quality(&mut out, 95), exif(orientation));
    let comment = [b"\xff\xfe\0\x0fcanary: by me".as_slice()].concat();
    out.splice(2..2, comment);
    out.extend_from_slice(b"canary: a film with places");
    out
}

fn png(orientation: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encoded(PngEncoder::new(&mut out), exif(orientation));
    out.extend_from_slice(b"canary: behind the end");
    out
}

fn webp(orientation: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encoded(WebPEncoder::new_lossless(&mut out), exif(orientation));
    out
}

/// Two frames that repeat, and a comment.
fn gif() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    encoder.set_repeat(image::codecs::gif::Repeat::Infinite).expect("writes");
    for _ in 0..2 {
        encoder.encode_frame(Frame::new(picture().to_rgba8())).expect("encodes");
    }
    drop(encoder);
    let end = out.len() - 1;
    out.splice(end..end, *b"\x21\xfe\x08canary:!\0");
    out.extend_from_slice(b"canary");
    out
}

fn contains_canary(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|window| window == b"canary")
}

fn decoder(bytes: &[u8]) -> impl ImageDecoder + '_ {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("reads");
    reader.into_decoder().expect("is an image")
}

fn pixels(bytes: &[u8]) -> DynamicImage {
    DynamicImage::from_decoder(decoder(bytes)).expect("decodes")
}

#[test]
fn metadata_goes_and_the_pixels_stay_as_they_are() {
    for (original, media_type) in [
        (jpeg(1), "image/jpeg"),
        (png(1), "image/png"),
        (webp(1), "image/webp"),
        (gif(), "image/gif"),
    ] {
        assert!(contains_canary(&original), "{media_type}: the test's image has metadata");
        let prepared = prepare(&original).expect("prepares");
        assert_eq!(prepared.media_type, media_type);
        assert!(!contains_canary(&prepared.bytes), "{media_type}");
        assert!(decoder(&prepared.bytes).exif_metadata().expect("reads").is_none());
        assert_eq!(pixels(&prepared.bytes), pixels(&original), "{media_type}");
        assert!(!contains_canary(&prepared.thumbnail));
    }
}

#[test]
fn a_gif_keeps_its_frames_and_goes_on_repeating() {
    let prepared = prepare(&gif()).expect("prepares");
    let decoder = image::codecs::gif::GifDecoder::new(Cursor::new(&prepared.bytes));
    let frames = image::AnimationDecoder::into_frames(decoder.expect("is a GIF"));
    assert_eq!(frames.collect_frames().expect("decodes").len(), 2);
    assert!(prepared.bytes.windows(11).any(|window| window == b"NETSCAPE2.0"));
}

#[test]
fn a_turned_image_stands_upright_afterwards() {
    for original in [jpeg(6), png(6), webp(6)] {
        let prepared = prepare(&original).expect("prepares");
        let upright = pixels(&prepared.bytes);
        assert_eq!((upright.width(), upright.height()), (20, 40));
        let top = upright.to_rgb8().get_pixel(10, 5).0;
        assert!(top[0] < 60, "the dark half is above: {top:?}");
        assert!(!contains_canary(&prepared.bytes));
        assert!(decoder(&prepared.bytes).exif_metadata().expect("reads").is_none());
        assert_eq!(media_type(&prepared.bytes), media_type(&original));
        let thumbnail = pixels(&prepared.thumbnail);
        assert_eq!((thumbnail.width(), thumbnail.height()), (20, 40));
    }
}

#[test]
fn a_thumbnail_of_noise_fits_too() {
    let mut seed = 1u32;
    let noise = RgbImage::from_fn(900, 700, |_, _| {
        Rgb([0; 3].map(|_: u8| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        }))
    });
    let mut out = Vec::new();
    noise.write_with_encoder(PngEncoder::new(&mut out)).expect("encodes");
    let prepared = prepare(&out).expect("prepares");
    assert!(prepared.thumbnail.len() <= THUMBNAIL_LEN_MAX);
    let small = pixels(&prepared.thumbnail);
    assert!(small.width().max(small.height()) <= 320);
}

/// Headers that announce many pixels, with nothing behind them: whoever decoded one would fail in
/// another way, or allocate.
#[test]
fn bombs_are_refused_by_their_headers() {
    let mut png_bomb = png(1);
    png_bomb[16..24].copy_from_slice(&[0, 0, 0x1f, 0x40, 0, 0, 0x1f, 0x40]);
    let crc = crc32(&png_bomb[12..29]);
    png_bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut jpeg_bomb = jpeg(1);
    let frame = jpeg_bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("has a frame");
    jpeg_bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0, 0xff, 0]);
    let mut gif_bomb = gif();
    gif_bomb[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    for (bomb, (width, height)) in
        [(png_bomb, (8000, 8000)), (jpeg_bomb, (65_280, 65_280)), (gif_bomb, (65_535, 65_535))]
    {
        match prepare(&bomb) {
            Err(ImageError::TooManyPixels { width: w, height: h }) => {
                assert_eq!((w, h), (width, height));
            }
            other => panic!("{width} × {height}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_image_is_named_so() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7", b"BM123456789012345678901234567890"] {
        let error = prepare(bytes);
        assert!(matches!(error, Err(ImageError::Format)), "{error:?}");
    }
    let mut cut = jpeg(1);
    cut.truncate(cut.len() / 2);
    assert!(!prepare(&cut).is_ok_and(|prepared| contains_canary(&prepared.bytes)));
}

#[test]
fn types_come_from_the_content() {
    assert_eq!(media_type(&png(1)), "image/png");
    assert_eq!(media_type("grüße\n".as_bytes()), "text/plain");
    assert_eq!(media_type(b"%PDF-1.7"), "application/pdf");
    assert_eq!(media_type(b"a\0b"), "application/octet-stream");
    assert_eq!(media_type(b""), "application/octet-stream");
    let cut = [&[b'x'; 4095][..], "ü".as_bytes()].concat();
    assert_eq!(media_type(&cut[..4096]), "text/plain");
    assert_eq!(media_type(&[b"x".as_slice(), &[0xc3]].concat()), "application/octet-stream");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn altered_images_never_panic_and_never_carry_metadata(
        which in 0..4usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = [jpeg(1), png(1), webp(1), gif()][which].clone();
        for (place, byte) in changes {
            let index = place.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(prepared) = prepare(&bytes) {
            prop_assert!(ImageFormat::from_mime_type(prepared.media_type).is_some());
            let exif = decoder(&prepared.bytes).exif_metadata();
            prop_assert!(!exif.is_ok_and(|exif| exif.is_some()));
        }
    }
}
