//! JPEG (ITU-T T.81 §B): segments behind markers, and entropy-coded data behind each scan's.

use super::take;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
/// A JFIF segment without a thumbnail: "JFIF\0", version, density, two zeros.
const JFIF_LEN: usize = 14;

pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[0xff, START])?;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&[0xff, START]);
    loop {
        let marker = next_marker(&mut rest)?;
        match marker {
            END => {
                out.extend_from_slice(&[0xff, END]);
                return Some(out);
            }
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let len = rest.first_chunk::<2>().map(|len| usize::from(u16::from_be_bytes(*len)))?;
        let segment = take(&mut rest, len)?;
        let content = segment.get(2..)?;
        if stays(marker, content) {
            out.extend_from_slice(&[0xff, marker]);
            out.extend_from_slice(segment);
        }
        if marker == SCAN {
            let len = scan_len(rest);
            out.extend_from_slice(take(&mut rest, len)?);
        }
    }
}

/// Frames, tables and scans; of the applications' segments only those that say what the colours
/// mean.
fn stays(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xc0..=0xcf | SCAN..=0xdf => true,
        0xe0 => content.starts_with(b"JFIF\0") && content.len() == JFIF_LEN,
        0xe2 => content.starts_with(b"ICC_PROFILE\0"),
        0xee => content.starts_with(b"Adobe"),
        _ => false,
    }
}

/// The byte behind the next 0xff, any number of which may stand before it.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    let mut byte = take(rest, 1)?[0];
    if byte != 0xff {
        return None;
    }
    while byte == 0xff {
        byte = take(rest, 1)?[0];
    }
    Some(byte)
}

/// Bytes up to the next marker that ends a scan: 0xff 0x00 is a stuffed byte, 0xd0 to 0xd7 restart.
fn scan_len(rest: &[u8]) -> usize {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    rest.windows(2).position(ends).unwrap_or(rest.len())
}
