//! The platform binding: what of TVM and MLC LLM an app links beside the models.

pub mod abi;
pub mod checks;
