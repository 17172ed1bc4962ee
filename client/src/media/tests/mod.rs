//! Tests of what is sent and kept.

mod images;
mod names;
mod previews;
mod saves;
