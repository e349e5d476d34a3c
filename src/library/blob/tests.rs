//! What is known of two blobs that TVM 0.26 compiled for models of two layers. The numbers were
//! computed from the same bytes by other means.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Blob, BlobError, Constant, DeviceKind, FunctionKind};
use crate::library::memory::{Memory, memory};
use crate::library::metadata::Metadata;

pub(super) fn android_llama() -> Vec<u8> {
    unpack(include_bytes!("../../../tests/data/blobs/android-llama.bin.gz"))
}

pub(super) fn iphone_gpt_neox() -> Vec<u8> {
    unpack(include_bytes!("../../../tests/data/blobs/iphone-gpt_neox.bin.gz"))
}

fn unpack(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    bytes
}

fn vocabulary(name: &str) -> Option<i64> {
    (name == "vocab_size").then_some(384)
}

#[test]
fn the_import_tree_and_the_modules() {
    for (bytes, kernels) in [(android_llama(), "opencl"), (iphone_gpt_neox(), "metal")] {
        let blob = Blob::parse(&bytes).unwrap();
        let kinds: Vec<_> = blob.modules.iter().map(|module| module.kind).collect();
        assert_eq!(kinds, ["relax.VMExecutable", "_lib", kernels]);
        assert_eq!(
            (blob.imports(0), blob.imports(1), blob.imports(2)),
            (&[1][..], &[2][..], &[][..])
        );
        assert!(blob.imports(3).is_empty() && blob.imports(usize::MAX).is_empty());
        assert!(blob.modules[1].payload.is_none());
        assert_eq!(blob.size, bytes.len());
    }
}

#[test]
fn the_blob_may_lie_in_a_longer_section() {
    let mut bytes = iphone_gpt_neox();
    let size = bytes.len();
    bytes.extend(b"padding and what follows");
    assert_eq!(Blob::parse(&bytes).unwrap().size, size);
    let error = Blob::parse(&bytes[..size - 1]).unwrap_err().to_string();
    assert_eq!(error, "byte 8: the blob needs 327746 bytes, 327745 are left");
}

#[test]
fn the_compiled_model() {
    let bytes = android_llama();
    let executable = Blob::parse(&bytes).unwrap().executable().unwrap();
    assert_eq!(executable.version, "0.14");
    let vm = executable.functions.iter().filter(|function| function.kind == FunctionKind::Vm);
    let names: Vec<_> = vm.map(|function| function.name).collect();
    assert_eq!(names, ["batch_decode", "decode", "embed", "prefill", "_metadata"]);
    assert_eq!(executable.functions.len(), 81);
    assert_eq!((executable.instructions.len(), executable.code.len()), (1018, 7365));
    let count = |wanted: fn(&Constant<'_>) -> bool| {
        executable.constants.iter().filter(|constant| wanted(constant)).count()
    };
    assert_eq!(count(|constant| matches!(constant, Constant::Shape(_))), 29);
    assert_eq!(count(|constant| matches!(constant, Constant::Str(_))), 16);
    let types = executable.constants.iter().filter_map(|constant| match constant {
        Constant::DataType(dtype) => Some(dtype.to_string()),
        _ => None,
    });
    assert!(types.into_iter().any(|dtype| dtype == "float16"));
}

#[test]
fn the_metadata_and_the_memory() {
    let bytes = android_llama();
    let executable = Blob::parse(&bytes).unwrap().executable().unwrap();
    let llama = Metadata::parse(executable.metadata_json().unwrap()).unwrap();
    assert_eq!((llama.model_type.as_str(), llama.quantization.as_str()), ("llama", "q4f16_1"));
    assert_eq!((llama.params.len(), llama.max_batch_size), (25, Some(4)));
    assert_eq!((llama.context_window_size, llama.sliding_window_size), (Some(512), None));
    assert_eq!(llama.memory_usage["prefill"], 681_600);
    let expected = Memory {
        parameters: 76_672,
        temporary: 1_891_584,
        kv_cache_per_token: 256,
        context: 512,
        total: 2_099_328,
        recurrent_state: 0,
        // The buffers, 48 MiB and 54,448 of attention, 33,412 of embeddings, 6,212 of logits,
        // 640 of pages.
        workspace: 52_317_944,
        runtime: 54_417_272,
    };
    assert_eq!(memory(&llama, &vocabulary).unwrap(), expected);

    let bytes = iphone_gpt_neox();
    let executable = Blob::parse(&bytes).unwrap().executable().unwrap();
    let neox = Metadata::parse(executable.metadata_json().unwrap()).unwrap();
    assert_eq!((neox.model_type.as_str(), neox.quantization.as_str()), ("gpt_neox", "q0f16"));
    assert_eq!(neox.params.len(), 28);
    let memory = memory(&neox, &vocabulary).unwrap();
    assert_eq!((memory.parameters, memory.total), (233_216, 1_032_192));
}

#[test]
fn opencl_kernels_and_what_their_source_repeats() {
    let bytes = android_llama();
    let modules = Blob::parse(&bytes).unwrap().device_modules().unwrap();
    let [opencl] = modules.as_slice() else { panic!("{} modules", modules.len()) };
    assert_eq!((opencl.kind, opencl.format), (DeviceKind::OpenCl, "cl"));
    assert_eq!((opencl.kernels().len(), opencl.functions.len()), (101, 101));
    let first = opencl.kernels()[0];
    assert_eq!(first.name, "tiny_llama_concatenate_kernel");
    assert_eq!((first.bytes, first.repeated), (24_135, 0));
    let second = opencl.kernels()[1];
    assert_eq!(second.name, "tiny_llama_concatenate2_kernel");
    assert_eq!((second.bytes, second.repeated), (20_236, 19_341));
    assert_eq!(opencl.code_bytes, 2_164_645);
    assert_eq!(opencl.kernels().iter().map(|kernel| kernel.bytes).sum::<u64>(), 2_164_645);
    assert_eq!(opencl.kernels().iter().map(|kernel| kernel.repeated).sum::<u64>(), 19_341 * 100);
    let function = &opencl.functions[0];
    assert_eq!(function.launch_tags, ["blockIdx.x", "threadIdx.x"]);
    let arguments: Vec<_> = function.arguments.iter().map(ToString::to_string).collect();
    assert_eq!(arguments, ["handle", "handle", "handle", "int32", "int32", "int32", "int32"]);
}

#[test]
fn metal_kernels() {
    let bytes = iphone_gpt_neox();
    let modules = Blob::parse(&bytes).unwrap().device_modules().unwrap();
    let [metal] = modules.as_slice() else { panic!("{} modules", modules.len()) };
    assert_eq!(
        (metal.kind, metal.format, metal.kernels().len()),
        (DeviceKind::Metal, "metal", 100)
    );
    let kernel = metal.kernels()[2];
    let name = "tiny_gpt_neox_fused_expand_dims1_expand_dims1_expand_dims1_expand_dims1_concatenate3_kernel";
    assert_eq!((kernel.name, kernel.bytes), (name, 4464));
    assert_eq!(metal.kernels().iter().map(|kernel| kernel.repeated).sum::<u64>(), 0);
    assert_eq!(metal.code_bytes, metal.kernels().iter().map(|kernel| kernel.bytes).sum::<u64>());
}

#[test]
fn a_library_without_a_model_is_named_as_such() {
    let mut body = Vec::new();
    for word in [2_u64, 0, 0, 0, 4] {
        body.extend(word.to_le_bytes());
    }
    body.extend(b"_lib");
    let mut bytes = (body.len() as u64).to_le_bytes().to_vec();
    bytes.extend(body);
    let blob = Blob::parse(&bytes).unwrap();
    assert_eq!(blob.executable().unwrap_err(), BlobError::NoExecutable);
    assert!(blob.device_modules().unwrap().is_empty());
}
