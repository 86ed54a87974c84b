//! (placeholder)

pub mod text;
