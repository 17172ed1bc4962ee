//! PNG (ISO/IEC 15948): chunks of length, type, content and check sum.

use super::take;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Pixels, palettes, transparency, animation and the meaning of colours and sizes.
const STAY: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"cHRM",
    b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"pHYs",
];

pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(SIGNATURE);
    loop {
        let len = rest.first_chunk::<4>().map(|len| u32::from_be_bytes(*len))?;
        let len = usize::try_from(len).ok()?.checked_add(12)?;
        let chunk = take(&mut rest, len)?;
        let kind = chunk[4..].first_chunk::<4>()?;
        if STAY.contains(&kind) {
            out.extend_from_slice(chunk);
        }
        if kind == b"IEND" {
            return Some(out);
        }
    }
}
