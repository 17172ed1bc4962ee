//! Files and images of users: what may be sent, what is taken out of it, and under which name it
//! is kept. Pure but for [`save`]; nothing here knows a network.

pub mod image;
pub mod kind;
pub mod name;
pub mod preview;
pub mod save;
mod strip;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::crypto::blob::SIZE_MAX;

/// Why an image is not sent.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Not a PNG, JPEG, GIF or WebP.
    #[error("this is no PNG, JPEG, GIF or WebP; send it as a file")]
    Format,
    /// More pixels than [`image::PIXELS_MAX`].
    #[error(
        "the image has {width} × {height} pixels; {} million are allowed",
        image::PIXELS_MAX / 1_000_000
    )]
    TooManyPixels {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// More bytes than an attachment may have.
    #[error("the image is larger than {} MiB", SIZE_MAX / (1024 * 1024))]
    TooLarge,
    /// It cannot be read.
    #[error("the image is damaged: {0}")]
    Damaged(String),
}
