//! The pickle of a state dict: a stack machine of Python's, here with the few opcodes and names
//! that such a dict needs. Whatever else a pickle asks for is refused by its name.

use std::collections::HashMap;

use safetensors::tensor::Dtype;

/// Why a file of weights is not read.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Refused(pub(in super::super) String);

/// A tensor as the pickle describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorOf {
    pub(super) dtype: Dtype,
    /// The name of its storage.
    pub(super) storage: String,
    /// Its first element in the storage.
    pub(super) first: u64,
    pub(super) shape: Vec<u64>,
    strides: Vec<u64>,
}

impl TensorOf {
    pub(super) fn elements(&self) -> Result<u64, Refused> {
        let product = self.shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
        product.ok_or_else(|| Refused("a tensor is larger than any file".to_owned()))
    }

    /// Whether its elements lie one behind the other.
    pub(super) fn is_in_order(&self) -> bool {
        let mut step = 1_u64;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *size != 1 && *stride != step {
                return false;
            }
            step = step.saturating_mul(*size);
        }
        true
    }
}

/// Values that one pickle may have in all: more belong to no file of weights, and would cost memory.
const MOST_VALUES: usize = 1 << 21;

/// A reader of the pickles in some bytes.
pub(super) struct Pickle<'a> {
    input: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: HashMap<u32, usize>,
}

/// A value; others are named by their numbers.
#[derive(Clone, Debug)]
enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A float, or an integer of more than 64 bits: nothing of a tensor.
    Number,
    Text(&'a str),
    Tuple(Vec<usize>),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Callable(Callable),
    StorageType(Dtype),
    Storage(Dtype, String),
    Tensor(TensorOf),
}

#[derive(Clone, Copy, Debug)]
enum Callable {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
}

/// The storage types of PyTorch, and what they hold.
const STORAGES: [(&str, Dtype); 10] = [
    ("HalfStorage", Dtype::F16),
    ("BFloat16Storage", Dtype::BF16),
    ("FloatStorage", Dtype::F32),
    ("DoubleStorage", Dtype::F64),
    ("ByteStorage", Dtype::U8),
    ("CharStorage", Dtype::I8),
    ("ShortStorage", Dtype::I16),
    ("IntStorage", Dtype::I32),
    ("LongStorage", Dtype::I64),
    ("BoolStorage", Dtype::BOOL),
];

impl<'a> Pickle<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let (values, stack, marks) = Default::default();
        Self { input, at: 0, values, stack, marks, memo: HashMap::new() }
    }

    /// Where the next pickle begins.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// A pickle that is known.
    pub(super) fn skip(&mut self) -> Result<(), Refused> {
        self.load().map(drop)
    }

    /// One that is an integer.
    pub(super) fn integer(&mut self) -> Result<i64, Refused> {
        match self.load()? {
            Value::Int(number) => Ok(number),
            _ => Err(damaged()),
        }
    }

    /// One that says how the machine was that wrote the file.
    pub(super) fn little_endian(&mut self) -> Result<(), Refused> {
        let Value::Dict(entries) = self.load()? else { return Err(damaged()) };
        for (key, value) in entries {
            if matches!(self.values.get(key), Some(Value::Text("little_endian")))
                && matches!(self.values.get(value), Some(Value::Bool(false)))
            {
                return Err(Refused("its numbers are not little-endian".to_owned()));
            }
        }
        Ok(())
    }

    /// One that is a list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, Refused> {
        let Value::List(items) = self.load()? else { return Err(damaged()) };
        let text = |item: usize| match self.values.get(item) {
            Some(Value::Text(text)) => Ok((*text).to_owned()),
            _ => Err(damaged()),
        };
        items.into_iter().map(text).collect()
    }

    /// One that is a dict of names and tensors.
    pub(super) fn state_dict(&mut self) -> Result<Vec<(String, TensorOf)>, Refused> {
        let Value::Dict(entries) = self.load()? else {
            return Err(Refused("it holds something else than names and tensors".to_owned()));
        };
        let mut tensors = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(Value::Text(name)) = self.values.get(key) else {
                return Err(Refused("it names its tensors by something else than text".to_owned()));
            };
            match self.values.get(value) {
                Some(Value::Tensor(tensor)) => tensors.push(((*name).to_owned(), tensor.clone())),
                // As upstream does.
                Some(Value::None) => {}
                _ => {
                    let name: String = name.chars().take(80).collect();
                    return Err(Refused(format!("`{name}` in it is not a tensor")));
                }
            }
        }
        Ok(tensors)
    }

    /// Reads one pickle.
    fn load(&mut self) -> Result<Value<'a>, Refused> {
        self.values.clear();
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let [opcode] = self.take_array()?;
            if opcode == b'.' {
                let value = self.pop()?;
                return self.values.get(value).cloned().ok_or_else(damaged);
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Refused> {
        match opcode {
            // PROTO, FRAME.
            0x80 => self.take(1).map(drop)?,
            0x95 => self.take(8).map(drop)?,
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let [number] = self.take_array()?;
                self.push(Value::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take_array()?);
                self.push(Value::Int(number.into()))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take_array()?);
                self.push(Value::Int(number.into()))?;
            }
            0x8a => {
                let [length] = self.take_array()?;
                let number = integer(self.take(length.into())?);
                self.push(number)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Number)?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.take_array()?);
                self.push_text(length as usize)?;
            }
            0x8c | b'U' => {
                let [length] = self.take_array()?;
                self.push_text(length.into())?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let at = self.stack.len().checked_sub(count).ok_or_else(damaged)?;
                let items = self.stack.split_off(at);
                self.push(Value::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.above_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.set(&items)?;
            }
            b'q' => {
                let [slot] = self.take_array()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take_array()?);
                self.remember(slot)?;
            }
            // MEMOIZE
            0x94 => self.remember(u32::try_from(self.memo.len()).map_err(|_| damaged())?)?,
            b'h' => {
                let [slot] = self.take_array()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take_array()?);
                self.recall(slot)?;
            }
            b'c' => {
                let module = self.take_line()?;
                let name = self.take_line()?;
                self.push_global(module, name)?;
            }
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(Value::Text(module)), Some(Value::Text(name))) =
                    (self.values.get(module), self.values.get(name))
                else {
                    return Err(damaged());
                };
                let (module, name) = (*module, *name);
                self.push_global(module, name)?;
            }
            b'Q' => {
                let storage = self.pop().and_then(|id| self.storage(id))?;
                self.push(storage)?;
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            // A dict's own attributes: what PyTorch's versions of modules are.
            b'b' => {
                self.pop()?;
                let on = self.stack.last().and_then(|top| self.values.get(*top));
                if !matches!(on, Some(Value::Dict(_))) {
                    return Err(Refused("its pickle sets the state of an object".to_owned()));
                }
            }
            other => {
                return Err(Refused(format!(
                    "its pickle has the opcode 0x{other:02x}, which no state dict needs"
                )));
            }
        }
        Ok(())
    }

    /// The names that a state dict may use.
    fn push_global(&mut self, module: &str, name: &str) -> Result<(), Refused> {
        let value = match (module, name) {
            ("collections", "OrderedDict") => Value::Callable(Callable::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
                Value::Callable(Callable::RebuildTensor)
            }
            ("torch._utils", "_rebuild_parameter") => Value::Callable(Callable::RebuildParameter),
            ("torch", name) if STORAGES.iter().any(|(storage, _)| *storage == name) => {
                let found = STORAGES.iter().find(|(storage, _)| *storage == name);
                found.map(|(_, dtype)| Value::StorageType(*dtype)).ok_or_else(damaged)?
            }
            _ => {
                let name: String = format!("{module}.{name}").chars().take(120).collect();
                return Err(Refused(format!(
                    "its pickle asks for {name:?}, which is no part of a state dict: nothing of it \
                     was executed"
                )));
            }
        };
        self.push(value)
    }

    /// `("storage", type, name, device, elements)`.
    fn storage(&self, id: usize) -> Result<Value<'a>, Refused> {
        let Some(Value::Tuple(items)) = self.values.get(id) else { return Err(damaged()) };
        let mut items = items.iter().map(|item| self.values.get(*item));
        match (items.next(), items.next(), items.next(), items.next(), items.next()) {
            (
                Some(Some(Value::Text("storage"))),
                Some(Some(Value::StorageType(dtype))),
                Some(Some(Value::Text(name))),
                Some(Some(Value::Text(_))),
                Some(Some(Value::Int(_))),
            ) => Ok(Value::Storage(*dtype, (*name).to_owned())),
            _ => Err(Refused("its pickle refers to something else than a storage".to_owned())),
        }
    }

    fn call(&mut self, callable: usize, arguments: usize) -> Result<(), Refused> {
        let Some(Value::Tuple(arguments)) = self.values.get(arguments) else {
            return Err(damaged());
        };
        let result = match self.values.get(callable) {
            Some(Value::Callable(Callable::OrderedDict)) if arguments.is_empty() => {
                Value::Dict(Vec::new())
            }
            Some(Value::Callable(Callable::RebuildTensor)) => self.tensor(arguments)?,
            Some(Value::Callable(Callable::RebuildParameter)) => {
                let first = arguments.first().and_then(|first| self.values.get(*first));
                first.cloned().filter(|of| matches!(of, Value::Tensor(_))).ok_or_else(damaged)?
            }
            _ => return Err(Refused("its pickle calls what cannot be called".to_owned())),
        };
        self.push(result)
    }

    /// `(storage, first, shape, strides, …)`.
    fn tensor(&self, arguments: &[usize]) -> Result<Value<'a>, Refused> {
        let [storage, first, shape, strides, ..] = arguments else { return Err(damaged()) };
        let Some(Value::Storage(dtype, name)) = self.values.get(*storage) else {
            return Err(damaged());
        };
        let number = |at: &usize| match self.values.get(*at) {
            Some(Value::Int(number)) => u64::try_from(*number).map_err(|_| damaged()),
            _ => Err(damaged()),
        };
        let numbers = |at: &usize| match self.values.get(*at) {
            Some(Value::Tuple(items)) if items.len() <= 8 => {
                items.iter().map(number).collect::<Result<Vec<_>, _>>()
            }
            _ => Err(damaged()),
        };
        let (shape, strides) = (numbers(shape)?, numbers(strides)?);
        if shape.len() != strides.len() {
            return Err(damaged());
        }
        let (dtype, storage, first) = (*dtype, name.clone(), number(first)?);
        Ok(Value::Tensor(TensorOf { dtype, storage, first, shape, strides }))
    }

    fn append(&mut self, items: &[usize]) -> Result<(), Refused> {
        match self.stack.last().and_then(|top| self.values.get_mut(*top)) {
            Some(Value::List(list)) => list.extend(items),
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[usize]) -> Result<(), Refused> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.stack.last().and_then(|top| self.values.get_mut(*top)) {
            Some(Value::Dict(dict)) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Refused> {
        if self.values.len() >= MOST_VALUES {
            return Err(Refused("its pickle is longer than any state dict's".to_owned()));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn push_text(&mut self, length: usize) -> Result<(), Refused> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| damaged())?;
        self.push(Value::Text(text))
    }

    fn pop(&mut self) -> Result<usize, Refused> {
        let floor = self.marks.last().copied().unwrap_or_default();
        if self.stack.len() <= floor {
            return Err(damaged());
        }
        self.stack.pop().ok_or_else(damaged)
    }

    fn above_mark(&mut self) -> Result<Vec<usize>, Refused> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(damaged)?))
    }

    fn remember(&mut self, slot: u32) -> Result<(), Refused> {
        let top = *self.stack.last().ok_or_else(damaged)?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), Refused> {
        let value = *self.memo.get(&slot).ok_or_else(damaged)?;
        self.stack.push(value);
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let end = self.at.checked_add(length).ok_or_else(damaged)?;
        let bytes = self.input.get(self.at..end).ok_or_else(damaged)?;
        self.at = end;
        Ok(bytes)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        self.take(N)?.first_chunk().copied().ok_or_else(damaged)
    }

    fn take_line(&mut self) -> Result<&'a str, Refused> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let line = std::str::from_utf8(self.take(end)?).map_err(|_| damaged())?;
        self.take(1)?;
        Ok(line)
    }
}

/// A little-endian integer of any length, in two's complement.
fn integer<'a>(bytes: &[u8]) -> Value<'a> {
    if bytes.len() > 8 {
        return Value::Number;
    }
    let fill = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    for (to, byte) in whole.iter_mut().zip(bytes) {
        *to = *byte;
    }
    Value::Int(i64::from_le_bytes(whole))
}

fn damaged() -> Refused {
    Refused("its pickle is cut off or damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Pickle, Refused};

    fn refused(pickle: &[u8]) -> String {
        let Refused(why) = Pickle::new(pickle).state_dict().unwrap_err();
        why
    }

    #[test]
    fn a_state_dict_is_read() {
        // pickle.dumps of {"a": _rebuild_tensor_v2(storage of 8 halves, 2, (2, 3), (3, 1), …)}
        let pickle =
            b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02\
            ((X\x07\x00\x00\x00storageq\x03ctorch\nHalfStorage\nq\x04X\x01\x00\x00\x000q\x05\
            X\x03\x00\x00\x00cpuq\x06K\x08tq\x07QK\x02K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\x89\
            ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.";
        let tensors = Pickle::new(pickle).state_dict().unwrap();
        let [(name, tensor)] = tensors.as_slice() else { panic!("{tensors:?}") };
        assert_eq!((name.as_str(), tensor.storage.as_str(), tensor.first), ("a", "0", 2));
        assert_eq!(tensor.shape, [2, 3]);
        assert!(tensor.is_in_order());
    }

    #[test]
    fn what_no_state_dict_needs_is_refused_by_name() {
        assert!(
            refused(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.").contains("\"os.system\"")
        );
        assert!(refused(b"\x80\x04\x8c\x02os\x8c\x06system\x93.").contains("\"os.system\""));
        let builtin = b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.";
        assert!(refused(builtin).contains("\"builtins.eval\""));
        // NEWOBJ, INST and BUILD on what is no dict.
        assert!(refused(b")\x81.").contains("0x81"));
        assert!(refused(b"(ios\nsystem\n.").contains("0x69"));
        assert!(refused(b"]}b.").contains("state of an object"));
        assert!(refused(b"}K\x01N\x86R.").contains("cannot be called"));
        assert!(refused(b"}X\x01\x00\x00\x00aK\x01s.").contains("`a` in it is not a tensor"));
        assert!(refused(b"K\x01.").contains("something else than names"));
    }

    #[test]
    fn what_contains_itself_ends() {
        assert!(refused(b"}q\x00X\x01\x00\x00\x00ah\x00s.").contains("not a tensor"));
        assert!(refused(b"]q\x00h\x00a.").contains("something else"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // An empty dict is one.
            if let Ok(tensors) = Pickle::new(&bytes).state_dict() {
                prop_assert!(tensors.is_empty());
            }
        }
    }
}
