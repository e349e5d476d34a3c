//! Checkpoints in PyTorch's own format, written as `torch.save` writes them.

use crate::scene::{Scene, Tensor};

/// What goes into a pickle, opcode by opcode.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
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

    fn end(&mut self) -> Vec<u8> {
        self.raw(b".");
        std::mem::take(&mut self.0)
    }
}

/// An ordered dict of tensors, each in a storage of its own by its number.
fn state_dict(tensors: &[Tensor]) -> Vec<u8> {
    let mut pickle = Pickle::new();
    pickle.raw(b"ccollections\nOrderedDict\nq\x00)Rq\x01(");
    for (number, tensor) in tensors.iter().enumerate() {
        let elements: usize = tensor.shape.iter().product();
        let strides: Vec<usize> =
            (0..tensor.shape.len()).map(|at| tensor.shape[at + 1..].iter().product()).collect();
        pickle.text(&tensor.name).raw(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.text("storage").raw(b"ctorch\nFloatStorage\n").text(&number.to_string());
        pickle.text("cpu").int(elements).raw(b"tQ").int(0);
        pickle.tuple(&tensor.shape).tuple(&strides).raw(b"\x89h\x00)RtR");
    }
    // A dict's own attribute, as a module's state has it.
    pickle.raw(b"u}").text("_metadata").raw(b"h\x00)Rsb").end()
}

/// A ZIP archive of stored files.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = out.len() as u32;
        let size = (bytes.len() as u32).to_le_bytes();
        let mut shared = [0; 16];
        shared[12..].copy_from_slice(&size);
        let lengths = [(name.len() as u16).to_le_bytes(), [0; 2]].concat();
        let head = [&shared[..], &size, &lengths].concat();
        out.extend([b"PK\x03\x04\0\0", &head[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02\0\0\0\0", &head[..], &[0; 10]].concat());
        directory.extend([&offset.to_le_bytes(), name.as_bytes()].concat());
    }
    let (start, count) = (out.len() as u32, (files.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    out.extend(&directory);
    out.extend(
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start.to_le_bytes(), &[0; 2]].concat(),
    );
    out
}

/// What PyTorch writes today.
fn archive(tensors: &[Tensor], pickle: Vec<u8>) -> Vec<u8> {
    let mut files = vec![("archive/data.pkl".to_owned(), pickle)];
    files.push(("archive/byteorder".to_owned(), b"little".to_vec()));
    for (number, tensor) in tensors.iter().enumerate() {
        files.push((format!("archive/data/{number}"), tensor.bytes.clone()));
    }
    zip(&files)
}

/// What it wrote before 1.6.
fn legacy(tensors: &[Tensor]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(Pickle::new().raw(b"M\xe9\x03").end());
    out.extend(Pickle::new().raw(b"}").text("little_endian").raw(b"\x88s").end());
    out.extend(state_dict(tensors));
    let mut keys = Pickle::new();
    keys.raw(b"](");
    for number in 0..tensors.len() {
        keys.text(&number.to_string());
    }
    out.extend(keys.raw(b"e").end());
    for tensor in tensors {
        out.extend((tensor.bytes.len() as u64 / 4).to_le_bytes());
        out.extend(&tensor.bytes);
    }
    out
}

/// The same checkpoint in one file of PyTorch's.
fn write(scene: &Scene, file: &[u8]) {
    scene.write();
    fs_err::remove_file(scene.source().join("model.safetensors")).unwrap();
    fs_err::write(scene.source().join("pytorch_model.bin"), file).unwrap();
}

#[test]
fn both_forms_convert_to_what_safetensors_do() {
    let scene = Scene::new();
    let run = scene.write().convert("q4f16_1", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let wanted = scene.result();
    let forms = [archive(&scene.tensors, state_dict(&scene.tensors)), legacy(&scene.tensors)];
    for form in forms {
        write(&scene, &form);
        fs_err::remove_dir_all(scene.output()).unwrap();
        let run = scene.convert("q4f16_1", &["--engine", "native"]);
        assert_eq!(run.exit, Some(0), "{run:?}");
        assert!(scene.result() == wanted);
    }
}

#[test]
fn a_pickle_that_asks_for_more_is_refused_by_name() {
    let scene = Scene::new();
    let evil = b"\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch owned\x85R.".to_vec();
    write(&scene, &archive(&scene.tensors, evil));
    let said = scene.refuses("q4f16_1", 11);
    assert!(said.contains("pytorch_model.bin"), "{said}");
    assert!(
        said.contains("\"posix.system\"") && said.contains("nothing of it was executed"),
        "{said}"
    );
    assert!(!scene.root.join("owned").exists() && !scene.source().join("owned").exists());
}

#[test]
fn a_file_that_is_cut_off_is_said_to_be() {
    let scene = Scene::new();
    let whole = archive(&scene.tensors, state_dict(&scene.tensors));
    write(&scene, &whole[..whole.len() / 2]);
    assert!(scene.refuses("q4f16_1", 11).contains("cut off"));
    let whole = legacy(&scene.tensors);
    write(&scene, &whole[..whole.len() - 4]);
    assert!(scene.refuses("q4f16_1", 11).contains("cut off"));
    write(&scene, b"not a checkpoint at all, of more than twenty-two bytes");
    assert!(scene.refuses("q4f16_1", 11).contains("not a file of torch.save"));
}
