//! GIF (version 89a): a screen's header, then blocks behind one byte each.

use super::take;

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;
const GRAPHIC_CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;

pub(super) fn strip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    let header = take(&mut rest, 13)?;
    out.extend_from_slice(header);
    out.extend_from_slice(take(&mut rest, table_len(header[10]))?);
    loop {
        let start = rest;
        match take(&mut rest, 1)?[0] {
            EXTENSION => {
                let label = take(&mut rest, 1)?[0];
                let is_loop = rest.starts_with(b"\x0bNETSCAPE2.0");
                skip_blocks(&mut rest)?;
                if label == GRAPHIC_CONTROL || (label == APPLICATION && is_loop) {
                    out.extend_from_slice(&start[..start.len() - rest.len()]);
                }
            }
            IMAGE => {
                let descriptor = take(&mut rest, 9)?;
                take(&mut rest, table_len(descriptor[8]) + 1)?;
                skip_blocks(&mut rest)?;
                out.extend_from_slice(&start[..start.len() - rest.len()]);
            }
            TRAILER => {
                out.push(TRAILER);
                return Some(out);
            }
            _ => return None,
        }
    }
}

/// Bytes of the table of colours that a packed field announces.
fn table_len(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Blocks of a length and so many bytes; one without bytes is the last.
fn skip_blocks(rest: &mut &[u8]) -> Option<()> {
    loop {
        let len = take(rest, 1)?[0];
        if len == 0 {
            return Some(());
        }
        take(rest, usize::from(len))?;
    }
}
