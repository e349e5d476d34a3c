//! Kernels: the payloads of `opencl` and `metal` modules.

use std::collections::HashMap;

use memchr::{memchr, memmem};
use serde::Serialize;

use super::executable::DataType;
use super::{BlobError, Reader};

/// What runs the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Android.
    OpenCl,
    /// iPhone and Mac Catalyst.
    Metal,
}

impl DeviceKind {
    pub(super) fn of(module_kind: &str) -> Option<Self> {
        match module_kind {
            "opencl" => Some(Self::OpenCl),
            "metal" => Some(Self::Metal),
            _ => None,
        }
    }
}

/// A module of kernels.
#[derive(Clone, Debug)]
pub struct DeviceModule<'a> {
    /// What runs it.
    pub kind: DeviceKind,
    /// What the code is written in: `cl`, `metal`, `metallib`.
    pub format: &'a str,
    /// How the host calls the kernels.
    pub functions: Vec<DeviceFunction<'a>>,
    /// The bytes of code of all kernels.
    pub code_bytes: u64,
    code: Code<'a>,
}

/// The code of a module.
#[derive(Clone, Debug)]
enum Code<'a> {
    /// One source for all, split when somebody wants to see the kernels: it takes longer than
    /// everything else about a library.
    OpenCl(&'a [u8]),
    Metal(Vec<Kernel<'a>>),
}

/// How the host calls one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFunction<'a> {
    /// The name it is looked up by.
    pub key: &'a str,
    /// Its own name.
    pub name: &'a str,
    /// The types of its arguments.
    pub arguments: Vec<DataType>,
    /// The launch parameters that the host passes: `blockIdx.x`, `threadIdx.x`.
    pub launch_tags: Vec<&'a str>,
}

/// One kernel's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel<'a> {
    /// Its name.
    pub name: &'a str,
    /// The bytes of its code, as source or compiled.
    pub bytes: u64,
    /// The bytes thereof, before the kernel itself, that an earlier kernel has already:
    /// declarations of all the others, extensions. TVM's OpenCL only.
    pub repeated: u64,
    /// Its own code: of OpenCL what begins with its definition.
    pub code: &'a [u8],
    /// All that the phone compiles for it: of OpenCL with what precedes the definition.
    pub source: &'a [u8],
}

impl Kernel<'_> {
    /// The bytes of its code that are its own, repeats left out.
    pub fn own(&self) -> u64 {
        self.bytes.saturating_sub(self.repeated)
    }
}

impl<'a> DeviceModule<'a> {
    /// Reads a payload: the format, the functions, then for OpenCL one source and for Metal each
    /// kernel's name and code.
    pub fn parse(kind: DeviceKind, mut reader: Reader<'a>) -> Result<Self, BlobError> {
        let format = reader.str("the format of the kernels")?;
        let functions =
            reader.vec(DeviceFunction::LEAST, "device functions", DeviceFunction::read)?;
        let (code, code_bytes) = match kind {
            DeviceKind::OpenCl => {
                let source = reader.bytes("the source of the kernels")?;
                (Code::OpenCl(source), source.len() as u64)
            }
            DeviceKind::Metal => {
                let kernels = reader.vec(16, "kernels", |reader| {
                    let name = reader.str("a kernel's name")?;
                    let code = reader.bytes("a kernel's code")?;
                    Ok(Kernel { name, bytes: code.len() as u64, repeated: 0, code, source: code })
                })?;
                let bytes = kernels.iter().map(|kernel| kernel.bytes).sum();
                (Code::Metal(kernels), bytes)
            }
        };
        reader.end("the kernels")?;
        Ok(Self { kind, format, functions, code_bytes, code })
    }

    /// The kernels; none for OpenCL in a format that is not source.
    pub fn kernels(&self) -> Vec<Kernel<'a>> {
        match &self.code {
            Code::OpenCl(source) if self.format == "cl" => split(source),
            Code::OpenCl(_) => Vec::new(),
            Code::Metal(kernels) => kernels.clone(),
        }
    }
}

impl<'a> DeviceFunction<'a> {
    /// The bytes of one that has no names, arguments or tags.
    const LEAST: usize = 5 * 8;

    fn read(reader: &mut Reader<'a>) -> Result<Self, BlobError> {
        let function = Self {
            key: reader.str("a device function's key")?,
            name: reader.str("a device function's name")?,
            arguments: reader.vec(DataType::ENCODED, "arguments", DataType::read)?,
            launch_tags: reader.strs("launch tags")?,
        };
        // Which arguments are tensor maps: of no use here, but in the way.
        let flags = reader.count(4, "argument flags")?;
        reader.take((flags as u64).saturating_mul(4), "argument flags")?;
        Ok(function)
    }
}

/// Splits an OpenCL source at the lines `// Function: NAME`, which belong to what follows.
fn split(source: &[u8]) -> Vec<Kernel<'_>> {
    const MARK: &[u8] = b"// Function: ";
    let begins_line = |at: usize| at == 0 || source.get(at - 1) == Some(&b'\n');
    let marks = memmem::find_iter(source, MARK).filter(|at| begins_line(*at));
    let mut marked = marks.filter_map(|at| {
        let (name, body) = line(source.get(at + MARK.len()..)?);
        Some((at, std::str::from_utf8(name).ok()?.trim_end(), body))
    });
    let mut kernels = Vec::new();
    // Each line of a preamble, and the kernel that had it first.
    let mut first = HashMap::new();
    let mut next = marked.next();
    while let Some((at, name, body)) = next {
        next = marked.next();
        let end = next.map_or(source.len(), |(at, ..)| at);
        let bytes = (end - at) as u64;
        let body = body.get(..body.len() - (source.len() - end)).unwrap_or_default();
        let (mut code, mut repeated) = (body, 0);
        while !code.is_empty() {
            let (line, rest) = line(code);
            if defines_kernel(line) {
                break;
            }
            if *first.entry(line).or_insert(kernels.len()) < kernels.len() {
                repeated += line.len() as u64;
            }
            code = rest;
        }
        kernels.push(Kernel { name, bytes, repeated, code, source: body });
    }
    kernels
}

/// The first line, with its end, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr(b'\n', text).map_or(text.len(), |at| at + 1))
}

/// A declaration of a kernel ends in a semicolon, a definition in a brace.
fn defines_kernel(line: &[u8]) -> bool {
    line.starts_with(b"__kernel") && !line.trim_ascii_end().ends_with(b";")
}
