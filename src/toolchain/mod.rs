//! Which compiler there is: the Python that has MLC LLM, found without starting it wherever what it
//! answered before is still true. MLC LLM's own conversions run in it too.

mod container;
mod error;
mod identify;
mod image;
mod interpreter;
mod machine;
mod probe;
mod probe_note;
mod python;
mod sources;
mod xcode;

pub use container::{Call, Container, ContainerError, Mounts};
pub use error::{ProbeEnd, ToolchainError};
pub use identify::{Toolchain, ToolchainRequest, identify};
pub use image::{IDENTITIES_VARIABLE, ImageCompiler};
pub use interpreter::{Interpreter, NotRun};
pub use python::{PYTHON_VARIABLE, find as find_python};

#[cfg(test)]
#[path = "tests/scene.rs"]
pub(crate) mod scene;
