//! A Hugging Face checkpoint -> an MLC model directory.

pub mod weights;
