//! Checkpoints in PyTorch's own format, written as `torch.save` writes them.

use std::io::Write as _;

use crate::scene::{Scene, Tensor};
use crate::torch_archive::{self, Pickle, Zip};

/// All tensors, of f32.
fn state_dict(tensors: &[Tensor]) -> Vec<u8> {
    let tensors = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()));
    torch_archive::state_dict("FloatStorage", tensors)
}

/// What PyTorch writes today.
fn archive(tensors: &[Tensor], pickle: Vec<u8>) -> Vec<u8> {
    let mut zip = Zip::new(Vec::new(), &pickle).unwrap();
    for (number, tensor) in tensors.iter().enumerate() {
        let bytes = &tensor.bytes;
        zip.storage(number, bytes.len(), |out| out.write_all(bytes)).unwrap();
    }
    zip.end().unwrap()
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
