//! The blob that TVM links into a model library: a tree of modules, one of them the compiled
//! model (`relax.VMExecutable`), others its kernels. The layouts beside each `parse` are those of TVM 0.26,
//! held against what that compiler writes.

mod device;
mod executable;
mod reader;

pub use device::{DeviceFunction, DeviceKind, DeviceModule, Kernel};
pub use executable::{Constant, DataType, Executable, Function, FunctionKind};
pub use reader::{Reader, Words};

/// Why a blob cannot be read. `offset` counts bytes from the blob's start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// It ends too early.
    #[error("byte {offset}: {what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// Where.
        offset: usize,
        /// What was to be read.
        what: &'static str,
        /// Its size.
        needed: u64,
        /// The bytes there are.
        left: usize,
    },
    /// A count that the bytes after it cannot fulfil.
    #[error("byte {offset}: {count} {what} cannot lie in {left} bytes")]
    Count {
        /// Where.
        offset: usize,
        /// What is counted.
        what: &'static str,
        /// How many it says.
        count: u64,
        /// The bytes there are.
        left: usize,
    },
    /// A name that is no text.
    #[error("byte {offset}: {what} is not UTF-8")]
    NotText {
        /// Where.
        offset: usize,
        /// What it should have been.
        what: &'static str,
    },
    /// A value that the format does not have.
    #[error("byte {offset}: {what} is {found}")]
    Unknown {
        /// Where.
        offset: usize,
        /// The field.
        what: &'static str,
        /// Its value.
        found: i64,
    },
    /// Bytes behind the end.
    #[error("byte {offset}: {left} bytes follow the end of {what}")]
    Trailing {
        /// Where.
        offset: usize,
        /// What ended.
        what: &'static str,
        /// How many there are.
        left: usize,
    },
    /// The import tree contradicts itself.
    #[error("the import tree is broken: {0}")]
    ImportTree(&'static str),
    /// There is no compiled model in it.
    #[error("there is no `relax.VMExecutable` in it")]
    NoExecutable,
    /// The compiled model does not describe itself.
    #[error("its function `_metadata` cannot be read: {0}")]
    NoMetadata(&'static str),
}

/// The modules of a library and which imports which.
#[derive(Clone, Debug)]
pub struct Blob<'a> {
    /// Its size in bytes, with the length field it begins with.
    pub size: usize,
    /// The modules; the first is the root.
    pub modules: Vec<Module<'a>>,
    /// `children[row_starts[i]..row_starts[i + 1]]` are imported by module i.
    row_starts: Vec<usize>,
    children: Vec<usize>,
}

/// One module.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    /// What it is: `relax.VMExecutable`, `_lib` (the host code), `opencl`, `metal`.
    pub kind: &'a str,
    /// Its content; none for `_lib`.
    pub payload: Option<&'a [u8]>,
    /// Where its content begins in the blob.
    pub offset: usize,
}

/// The kind of the module that stands for the library's own machine code.
const HOST_CODE: &str = "_lib";
/// The kind of a compiled model.
const EXECUTABLE: &str = "relax.VMExecutable";

impl<'a> Blob<'a> {
    /// Reads the blob that `bytes` begin with. They may be longer than it (a Mach-O symbol has no
    /// size, so they reach to the end of the section): its length is its first field.
    ///
    /// Little-endian, unaligned: u64 bytes that follow; the import tree in CSR form as two
    /// counted rows of u64; then per module its kind and, unless that is `_lib`, its payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let mut outer = Reader::new(bytes, 0);
        let length = outer.u64("the blob's length")?;
        let body = outer.take(length, "the blob")?;
        let mut reader = Reader::new(body, 8);
        let starts = reader.words("rows of the import tree")?;
        let children = reader.words("imports")?;
        let (row_starts, children) = import_tree(starts, children)?;
        let count = row_starts.len().saturating_sub(1);
        // A kind alone takes 8 bytes, so a tree of more rows than that is known to be false.
        if count > reader.left() / 8 {
            return Err(BlobError::ImportTree("it has more rows than there are modules"));
        }
        let mut modules = Vec::with_capacity(count);
        for _ in 0..count {
            modules.push(module(&mut reader)?);
        }
        reader.end("the last module")?;
        Ok(Self { size: outer.offset(), modules, row_starts, children })
    }

    /// The modules that module `index` imports, in order.
    pub fn imports(&self, index: usize) -> &[usize] {
        let start = self.row_starts.get(index).copied();
        let end = index.checked_add(1).and_then(|next| self.row_starts.get(next).copied());
        let row = start.zip(end).and_then(|(start, end)| self.children.get(start..end));
        row.unwrap_or_default()
    }

    /// The compiled model.
    pub fn executable(&self) -> Result<Executable<'a>, BlobError> {
        let mut executables = self.modules.iter().filter(|module| module.kind == EXECUTABLE);
        let module = executables.next().ok_or(BlobError::NoExecutable)?;
        Executable::parse(module.reader())
    }

    /// The modules of kernels, in order.
    pub fn device_modules(&self) -> Result<Vec<DeviceModule<'a>>, BlobError> {
        let devices =
            self.modules.iter().filter_map(|module| Some((DeviceKind::of(module.kind)?, module)));
        devices.map(|(kind, module)| DeviceModule::parse(kind, module.reader())).collect()
    }
}

impl<'a> Module<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader::new(self.payload.unwrap_or_default(), self.offset)
    }
}

fn module<'a>(reader: &mut Reader<'a>) -> Result<Module<'a>, BlobError> {
    let kind = reader.str("a module's kind")?;
    let offset = reader.offset().saturating_add(8);
    let payload = if kind == HOST_CODE { None } else { Some(reader.bytes("a module's payload")?) };
    Ok(Module { kind, payload, offset })
}

/// Checks both rows of the CSR form. Cycles are let pass: nothing here follows the imports.
fn import_tree(
    starts: Words<'_>,
    children: Words<'_>,
) -> Result<(Vec<usize>, Vec<usize>), BlobError> {
    let broken = |why| move |_| BlobError::ImportTree(why);
    let starts: Result<Vec<usize>, _> = starts.iter().map(usize::try_from).collect();
    let starts = starts.map_err(broken("a row starts out of range"))?;
    let modules = starts.len().saturating_sub(1);
    if modules == 0 {
        return Err(BlobError::ImportTree("it has no module"));
    }
    if starts.first() != Some(&0) || !starts.is_sorted() {
        return Err(BlobError::ImportTree("its rows are out of order"));
    }
    if starts.last() != Some(&children.len()) {
        return Err(BlobError::ImportTree("its last row does not end with the imports"));
    }
    let children: Result<Vec<usize>, _> = children.iter().map(usize::try_from).collect();
    let children = children.map_err(broken("it imports a module out of range"))?;
    if children.iter().any(|child| *child >= modules) {
        return Err(BlobError::ImportTree("it imports a module that is not there"));
    }
    Ok((starts, children))
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
