//! The compiled model: the payload of `relax.VMExecutable`.

use std::fmt;

use serde::Serialize;

use super::{BlobError, Reader, Words};

const MAGIC: u64 = 0xD225_DE2F_4214_151E;
/// Without memory scopes.
const OLDER_MAGIC: u64 = 0xD225_DE2F_4214_151D;
const TENSOR_MAGIC: u64 = 0xDD5E_40F0_96B4_A13F;

const CALL: i64 = 1;
const RETURN: i64 = 2;
/// An argument's kind lies in its upper 8 bits; this one means a constant.
const CONSTANT_ARGUMENT: i64 = 2;

/// A program of TVM's virtual machine.
#[derive(Clone, Debug)]
pub struct Executable<'a> {
    /// The version of its format, `0.14` for instance.
    pub version: &'a str,
    /// Its own functions and those it calls.
    pub functions: Vec<Function<'a>>,
    /// Where constants live, by their index; empty unless the compiler said.
    pub memory_scopes: Vec<(i64, &'a str)>,
    /// Its constants.
    pub constants: Vec<Constant<'a>>,
    /// Where each instruction begins in `code`.
    pub instructions: Words<'a>,
    /// The instructions.
    pub code: Words<'a>,
}

/// A function of an [`Executable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Where it is defined.
    pub kind: FunctionKind,
    /// Its name.
    pub name: &'a str,
    /// Its first instruction.
    pub start: i64,
    /// The instruction after its last.
    pub end: i64,
    /// How many arguments it takes.
    pub arguments: i64,
    /// How many registers it uses.
    pub registers: i64,
    /// The names of its arguments.
    pub parameters: Vec<&'a str>,
}

/// Where a function of an [`Executable`] is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// In host code or the runtime.
    Packed,
    /// Here, as instructions.
    Vm,
    /// In host code that works on the machine's registers.
    VmTir,
}

/// A constant of an [`Executable`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant<'a> {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// An element type.
    DataType(DataType),
    /// A string, in UTF-8 as far as anybody promises.
    Str(&'a [u8]),
    /// A shape.
    Shape(Words<'a>),
    /// A tensor.
    Tensor {
        /// Its element type.
        dtype: DataType,
        /// Its shape.
        shape: Words<'a>,
        /// Its elements.
        data: &'a [u8],
    },
}

/// DLPack's element type, printed as TVM does: `float16`, `uint32`, `float16x4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataType {
    /// 0 int, 1 uint, 2 float, 3 handle, 4 bfloat, 6 bool.
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// How many elements a vector has; 1 for none.
    pub lanes: u16,
}

impl DataType {
    /// Its size where it is written.
    pub(super) const ENCODED: usize = 4;

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BlobError> {
        const WHAT: &str = "an element type";
        Ok(Self { code: reader.u8(WHAT)?, bits: reader.u8(WHAT)?, lanes: reader.u16(WHAT)? })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            0 => write!(f, "int{}", self.bits)?,
            1 => write!(f, "uint{}", self.bits)?,
            2 => write!(f, "float{}", self.bits)?,
            3 => f.write_str("handle")?,
            4 => write!(f, "bfloat{}", self.bits)?,
            6 => f.write_str("bool")?,
            code => write!(f, "type{code}_{}", self.bits)?,
        }
        if self.lanes > 1 { write!(f, "x{}", self.lanes) } else { Ok(()) }
    }
}

impl<'a> Executable<'a> {
    /// Reads a payload: magic, version, functions, memory scopes, constants, and the code, which
    /// it ends with.
    pub fn parse(mut reader: Reader<'a>) -> Result<Self, BlobError> {
        let offset = reader.offset();
        let magic = reader.u64("the executable's magic number")?;
        if magic != MAGIC && magic != OLDER_MAGIC {
            let what = "the executable's magic number";
            return Err(BlobError::Unknown { offset, what, found: magic.cast_signed() });
        }
        let version = reader.str("the executable's version")?;
        let functions = reader.vec(Function::LEAST, "functions", Function::read)?;
        let memory_scopes = if magic == MAGIC {
            reader.vec(16, "memory scopes", |reader| {
                Ok((reader.i64("a memory scope")?, reader.str("a memory scope")?))
            })?
        } else {
            Vec::new()
        };
        let constants = reader.vec(Constant::LEAST, "constants", Constant::read)?;
        let instructions = reader.words("instructions")?;
        let code = reader.words("words of code")?;
        reader.end("the executable")?;
        Ok(Self { version, functions, memory_scopes, constants, instructions, code })
    }

    /// The JSON text that `_metadata` returns. Only this function's code is looked at, and it may
    /// only be what a compiler makes of "return this string".
    pub fn metadata_json(&self) -> Result<&'a str, BlobError> {
        match self.returned_constant("_metadata").map_err(BlobError::NoMetadata)? {
            Constant::Str(text) => std::str::from_utf8(text)
                .map_err(|_| BlobError::NoMetadata("what it returns is not UTF-8")),
            _ => Err(BlobError::NoMetadata("it returns no string")),
        }
    }

    /// The constant that the VM function `name` returns: `Ret constant`, or a copy of a constant
    /// to a register and the return of that.
    fn returned_constant(&self, name: &str) -> Result<Constant<'a>, &'static str> {
        const NO_CODE: &str = "its code lies outside of the program";
        let named =
            |function: &&Function<'_>| function.kind == FunctionKind::Vm && function.name == name;
        let function = self.functions.iter().find(named).ok_or("there is none")?;
        let start = usize::try_from(function.start).map_err(|_| NO_CODE)?;
        let end = usize::try_from(function.end).map_err(|_| NO_CODE)?;
        let mut copied = None;
        for instruction in start..end {
            let at = self.instructions.get(instruction).ok_or(NO_CODE)?;
            let at = usize::try_from(at).map_err(|_| NO_CODE)?;
            let word = |index: usize| {
                at.checked_add(index).and_then(|at| self.code.get(at)).ok_or(NO_CODE)
            };
            match word(0)? {
                CALL => {
                    if self.function_name(word(2)?) != Some("vm.builtin.copy") || word(3)? != 1 {
                        return Err("it does more than to return a constant");
                    }
                    copied = Some((word(1)?, word(4)?));
                }
                RETURN => {
                    let result = word(1)?;
                    let source = match copied {
                        Some((register, source)) if register == result => source,
                        _ => result,
                    };
                    return self.constant(source).ok_or("it returns no constant");
                }
                _ => return Err("it does more than to return a constant"),
            }
        }
        Err("it does not return")
    }

    fn function_name(&self, index: i64) -> Option<&'a str> {
        let function = self.functions.get(usize::try_from(index).ok()?)?;
        Some(function.name)
    }

    fn constant(&self, argument: i64) -> Option<Constant<'a>> {
        if argument >> 56 != CONSTANT_ARGUMENT {
            return None;
        }
        let index = usize::try_from(argument & ((1 << 56) - 1)).ok()?;
        self.constants.get(index).copied()
    }
}

impl<'a> Function<'a> {
    /// The bytes of one without a name or parameters.
    const LEAST: usize = 4 + 8 + 4 * 8 + 8;

    fn read(reader: &mut Reader<'a>) -> Result<Self, BlobError> {
        let offset = reader.offset();
        let kind = match reader.i32("a function's kind")? {
            0 => FunctionKind::Packed,
            1 => FunctionKind::Vm,
            2 => FunctionKind::VmTir,
            found => {
                let what = "a function's kind";
                return Err(BlobError::Unknown { offset, what, found: found.into() });
            }
        };
        Ok(Self {
            kind,
            name: reader.str("a function's name")?,
            start: reader.i64("a function's start")?,
            end: reader.i64("a function's end")?,
            arguments: reader.i64("a function's number of arguments")?,
            registers: reader.i64("a function's number of registers")?,
            parameters: reader.strs("function parameters")?,
        })
    }
}

impl<'a> Constant<'a> {
    /// The bytes of the smallest one, a tag and an element type.
    const LEAST: usize = 4 + DataType::ENCODED;

    fn read(reader: &mut Reader<'a>) -> Result<Self, BlobError> {
        let offset = reader.offset();
        match reader.i32("a constant's tag")? {
            1 => Ok(Self::Int(reader.i64("a constant")?)),
            3 => Ok(Self::Float(reader.f64("a constant")?)),
            5 => Ok(Self::DataType(DataType::read(reader)?)),
            65 => Ok(Self::Str(reader.bytes("a constant string")?)),
            69 => Ok(Self::Shape(reader.words("dimensions of a constant shape")?)),
            70 => Self::tensor(reader),
            found => {
                let what = "a constant's tag";
                Err(BlobError::Unknown { offset, what, found: found.into() })
            }
        }
    }

    fn tensor(reader: &mut Reader<'a>) -> Result<Self, BlobError> {
        let offset = reader.offset();
        let magic = reader.u64("a tensor's magic number")?;
        if magic != TENSOR_MAGIC {
            let what = "a tensor's magic number";
            return Err(BlobError::Unknown { offset, what, found: magic.cast_signed() });
        }
        reader.u64("a tensor's reserved field")?;
        reader.i32("a tensor's device")?;
        reader.i32("a tensor's device")?;
        let dimensions = reader.i32("a tensor's number of dimensions")?;
        let dtype = DataType::read(reader)?;
        let dimensions = usize::try_from(dimensions).map_err(|_| BlobError::Unknown {
            offset,
            what: "a tensor's number of dimensions",
            found: dimensions.into(),
        })?;
        let shape = reader.fixed_words(dimensions, "a tensor's shape")?;
        // A negative size becomes one that is larger than any blob.
        let data = reader.bytes("a tensor's data")?;
        Ok(Self::Tensor { dtype, shape, data })
    }
}
