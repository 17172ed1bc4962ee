//! WebP (RFC 9649): chunks of a RIFF file, some with chunks inside.

use super::take;

/// Bits of the extended header that promise EXIF and XMP.
const METADATA_FLAGS: u8 = 0x08 | 0x04;
/// Bytes of a frame's own header.
const FRAME_HEADER_LEN: usize = 16;

pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"RIFF")?;
    let len = take(&mut rest, 4)?.first_chunk::<4>().map(|len| u32::from_le_bytes(*len))?;
    let content = rest.get(..usize::try_from(len).ok()?.min(rest.len()))?;
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    strip_chunks(content.strip_prefix(b"WEBP")?, &mut out)?;
    let len = u32::try_from(out.len() - 8).ok()?;
    out[4..8].copy_from_slice(&len.to_le_bytes());
    Some(out)
}

fn strip_chunks(mut rest: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while rest.len() >= 8 {
        let kind = *take(&mut rest, 4)?.first_chunk::<4>()?;
        let len = take(&mut rest, 4)?.first_chunk::<4>().map(|len| u32::from_le_bytes(*len))?;
        let len = usize::try_from(len).ok()?;
        let content = take(&mut rest, len)?;
        // A byte of padding follows an odd length; the last one may lack it.
        let padding = (len % 2).min(rest.len());
        take(&mut rest, padding)?;
        match &kind {
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ICCP" => put(kind, content, out)?,
            b"VP8X" => {
                let mut header = content.to_vec();
                *header.first_mut()? &= !METADATA_FLAGS;
                put(kind, &header, out)?;
            }
            b"ANMF" => {
                let (header, chunks) = content.split_at_checked(FRAME_HEADER_LEN)?;
                let mut frame = header.to_vec();
                strip_chunks(chunks, &mut frame)?;
                put(kind, &frame, out)?;
            }
            _ => {}
        }
    }
    Some(())
}

fn put(kind: [u8; 4], content: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&kind);
    out.extend_from_slice(&u32::try_from(content.len()).ok()?.to_le_bytes());
    out.extend_from_slice(content);
    out.resize(out.len() + content.len() % 2, 0);
    Some(())
}
