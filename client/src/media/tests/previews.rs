//! A preview is made of our own escape sequences and half blocks alone.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{Rgb, RgbImage};

use crate::media::preview::{Palette, preview};

fn encoded(width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |_, y| {
        if y < height / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) }
    });
    let mut out = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut out)).expect("encodes");
    out
}

fn cells(line: &str) -> usize {
    line.matches('▀').count()
}

#[test]
fn a_cell_shows_two_pixels() {
    let lines = preview(&encoded(2, 2), 2, Palette::True).expect("is an image");
    let cell = "\u{1b}[38;2;255;0;0m\u{1b}[48;2;0;0;255m▀";
    assert_eq!(lines, [format!("{cell}{cell}\u{1b}[0m")]);
    let lines = preview(&encoded(2, 2), 2, Palette::Cube).expect("is an image");
    let cell = "\u{1b}[38;5;196m\u{1b}[48;5;21m▀";
    assert_eq!(lines, [format!("{cell}{cell}\u{1b}[0m")]);
}

#[test]
fn it_keeps_within_its_room_and_its_shape() {
    for (width, height, columns, (cells_max, lines_max)) in
        [(300, 100, 200, (48, 8)), (100, 300, 200, (11, 16)), (300, 100, 10, (10, 2))]
    {
        let lines = preview(&encoded(width, height), columns, Palette::True).expect("is an image");
        assert!(lines.len() <= lines_max, "{width} × {height}: {} lines", lines.len());
        assert!(lines.iter().all(|line| cells(line) <= cells_max && cells(line) > 0));
    }
    assert_eq!(preview(&encoded(2, 2), 0, Palette::True), None);
}

#[test]
fn what_is_no_small_image_shows_nothing() {
    assert_eq!(preview(b"", 40, Palette::True), None);
    assert_eq!(preview(b"\x1b[2Jhello", 40, Palette::True), None);
    let mut large = Vec::new();
    let image = RgbImage::new(1200, 1200);
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut large, 1)).expect("encodes");
    assert_eq!(preview(&large, 40, Palette::True), None);
}
