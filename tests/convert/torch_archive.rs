//! Files in PyTorch's own format, as `torch.save` writes them: a pickle of a state dict, and the ZIP
//! archive of it and the storages.

use std::io::{self, Write};

/// What goes into a pickle, opcode by opcode.
#[derive(Default)]
pub(crate) struct Pickle(Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(&mut self, value: usize) -> &mut Self {
        self.raw(b"J").raw(&i32::try_from(value).unwrap().to_le_bytes())
    }

    fn tuple(&mut self, values: &[usize]) -> &mut Self {
        self.raw(b"(");
        for value in values {
            self.int(*value);
        }
        self.raw(b"t")
    }

    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.raw(b".");
        std::mem::take(&mut self.0)
    }
}

/// An ordered dict of tensors by name and shape, each in a storage of its own by its number.
pub(crate) fn state_dict<'a>(
    storage: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> Vec<u8> {
    let mut pickle = Pickle::new();
    pickle.raw(b"ccollections\nOrderedDict\nq\x00)Rq\x01(");
    for (number, (name, shape)) in tensors.enumerate() {
        let elements: usize = shape.iter().product();
        let strides: Vec<usize> =
            (0..shape.len()).map(|at| shape[at + 1..].iter().product()).collect();
        pickle.text(name).raw(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage");
        pickle.raw(format!("ctorch\n{storage}\n").as_bytes()).text(&number.to_string());
        pickle.text("cpu").int(elements).raw(b"tQ").int(0);
        pickle.tuple(shape).tuple(&strides).raw(b"\x89h\x00)RtR");
    }
    // A dict's own attribute, as a module's state has it.
    pickle.raw(b"u}").text("_metadata").raw(b"h\x00)Rsb").end()
}

/// A ZIP archive of stored files, below 4 GiB.
pub(crate) struct Zip<W> {
    out: W,
    at: usize,
    directory: Vec<u8>,
    count: u16,
}

impl<W: Write> Zip<W> {
    /// An archive with all that is not a storage.
    pub(crate) fn new(out: W, pickle: &[u8]) -> io::Result<Self> {
        let mut zip = Self { out, at: 0, directory: Vec::new(), count: 0 };
        zip.file("archive/data.pkl", pickle.len(), |out| out.write_all(pickle))?;
        zip.file("archive/byteorder", 6, |out| out.write_all(b"little"))?;
        Ok(zip)
    }

    /// A storage of so many bytes; begins where a multiple of 64 is, as PyTorch has it.
    pub(crate) fn storage(
        &mut self,
        number: usize,
        bytes: usize,
        write: impl FnOnce(&mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file(&format!("archive/data/{number}"), bytes, write)
    }

    fn file(
        &mut self,
        name: &str,
        bytes: usize,
        write: impl FnOnce(&mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        const HEAD: usize = 30;
        let size = u32::try_from(bytes).map_err(io::Error::other)?.to_le_bytes();
        let mut shared = [0; 16];
        shared[12..].copy_from_slice(&size);
        let name_length = (name.len() as u16).to_le_bytes();
        let begin = self.at + HEAD + name.len() + 4;
        let padding = begin.next_multiple_of(64) - begin;
        let extra = [b"FB", &(padding as u16).to_le_bytes()[..], &vec![0; padding]].concat();
        let extra_length = (extra.len() as u16).to_le_bytes();
        let head = [&shared[..], &size, &name_length].concat();
        let offset = (self.at as u32).to_le_bytes();
        let local = [b"PK\x03\x04\0\0", &head[..], &extra_length, name.as_bytes(), &extra].concat();
        self.directory.extend([b"PK\x01\x02\0\0\0\0", &head[..], &[0; 12]].concat());
        self.directory.extend([&offset, name.as_bytes()].concat());
        self.out.write_all(&local)?;
        write(&mut self.out)?;
        self.at += local.len() + bytes;
        self.count += 1;
        Ok(())
    }

    pub(crate) fn end(mut self) -> io::Result<W> {
        let (start, count) = (self.at as u32, self.count.to_le_bytes());
        let size = (self.directory.len() as u32).to_le_bytes();
        self.out.write_all(&self.directory)?;
        let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start.to_le_bytes(), &[0; 2]];
        self.out.write_all(&end.concat())?;
        Ok(self.out)
    }
}
