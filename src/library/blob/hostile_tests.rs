//! Blobs that were cut, bent or made up: an error or an answer, never a panic.

use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{android_llama, iphone_gpt_neox};
use super::{Blob, BlobError, Executable, Reader};
use crate::library::memory::memory;
use crate::library::metadata::Metadata;

/// Reads all that can be read; true if nothing was amiss.
fn read_everything(bytes: &[u8]) -> bool {
    let Ok(blob) = Blob::parse(bytes) else { return false };
    let imports = (0..=blob.modules.len()).map(|module| blob.imports(module).len()).sum::<usize>();
    assert!(imports <= bytes.len() / 8);
    let json = blob.executable().and_then(|executable| executable.metadata_json());
    let metadata = json.ok().and_then(|json| Metadata::parse(json).ok());
    let memory = metadata.and_then(|metadata| memory(&metadata, &|_| Some(384)).ok());
    let kernels = blob.device_modules().is_ok_and(|modules| {
        modules.iter().all(|module| {
            let kernels = module.kernels();
            let bytes = kernels.iter().map(|kernel| kernel.bytes).sum::<u64>();
            let repeated = kernels.iter().map(|kernel| kernel.repeated).sum::<u64>();
            assert!(repeated <= bytes && bytes <= module.code_bytes);
            !kernels.is_empty()
        })
    });
    memory.is_some() && kernels
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *new;
    }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u64).to_le_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// What length fields are made to say.
const LENGTHS: [u64; 9] =
    [0, 1, 2, 1 << 20, 1 << 32, 1 << 56 | 1, u64::MAX / 8, i64::MIN.cast_unsigned(), u64::MAX];

#[test]
fn the_whole_ones_are_read() {
    assert!(read_everything(&android_llama()));
    assert!(read_everything(&iphone_gpt_neox()));
}

#[test]
fn every_field_of_the_beginning_may_lie() {
    let whole = iphone_gpt_neox();
    let mut bytes = whole.clone();
    // The tree, the first functions, each byte a field may begin at.
    for at in 0..400 {
        for length in LENGTHS {
            overwrite(&mut bytes, at, &length.to_le_bytes());
            read_everything(&bytes);
        }
        overwrite(&mut bytes, at, &whole[at..at + 8]);
    }
    assert!(bytes == whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_cut_is_an_error(cut in 0.0..1.0_f64, repaired: bool) {
        let whole = iphone_gpt_neox();
        let mut bytes = whole[..(whole.len() as f64 * cut) as usize].to_vec();
        if repaired && bytes.len() >= 8 {
            bytes = with_length(&bytes[8..]);
        }
        prop_assert!(Blob::parse(&bytes).is_err());
        // The parts cut off by themselves, as a payload whose length lies would have it.
        let blob = Blob::parse(&whole).unwrap();
        for module in &blob.modules {
            let payload = module.payload.unwrap_or_default();
            let short = &payload[..(payload.len() as f64 * cut) as usize];
            prop_assert!(Executable::parse(Reader::new(short, 0)).is_err());
        }
    }

    #[test]
    fn any_length_may_lie(changes in prop::collection::vec((0.0..1.0_f64, select(&LENGTHS[..])), 1..4)) {
        let mut bytes = iphone_gpt_neox();
        for (place, length) in changes {
            // The executable's tables and code, and the head of the kernels.
            let at = (100_000.0 * place) as usize;
            overwrite(&mut bytes, at, &length.to_le_bytes());
        }
        read_everything(&bytes);
    }

    #[test]
    fn any_bytes_may_be_wrong(
        changes in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..20),
        android in prop::bool::weighted(0.2),
    ) {
        let mut bytes = if android { android_llama() } else { iphone_gpt_neox() };
        for (place, byte) in changes {
            let at = (bytes.len() as f64 * place) as usize;
            overwrite(&mut bytes, at, &[byte]);
        }
        read_everything(&bytes);
    }

    #[test]
    fn noise_is_no_blob(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!read_everything(&noise));
        prop_assert!(!read_everything(&with_length(&noise)));
        prop_assert!(Executable::parse(Reader::new(&noise, 0)).is_err());
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn the_import_tree_must_hold_together() {
    let tree = |starts: &[u64], children: &[u64]| {
        let mut body = words(&[starts.len() as u64]);
        body.extend(words(starts));
        body.extend(words(&[children.len() as u64]));
        body.extend(words(children));
        for _ in 1..starts.len() {
            body.extend(words(&[4]));
            body.extend(b"_lib");
        }
        Blob::parse(&with_length(&body)).map(|blob| blob.modules.len())
    };
    assert_eq!(tree(&[0, 1, 2], &[1, 0]), Ok(2), "a cycle is nobody's concern");
    assert_eq!(tree(&[0, 1], &[0]), Ok(1));
    let broken: [(&[u64], &[u64]); 8] = [
        (&[], &[]),
        (&[0], &[]),
        (&[1, 1], &[0]),
        (&[0, 2, 1], &[0]),
        (&[0, 1], &[]),
        (&[0, 0], &[0]),
        (&[0, 1], &[1]),
        (&[0, u64::MAX], &[u64::MAX]),
    ];
    for (starts, children) in broken {
        let error = tree(starts, children);
        assert!(
            matches!(error, Err(BlobError::ImportTree(_))),
            "{starts:?} {children:?} {error:?}"
        );
    }
}

/// An executable with the functions `vm.builtin.copy` and `_metadata`, the constant `{}`, and
/// these instructions.
fn program(older: bool, span: [i64; 2], instructions: &[&[i64]]) -> Vec<u8> {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend(words(&[text.len() as u64]));
        bytes.extend(text.as_bytes());
    };
    let magic = 0xD225_DE2F_4214_151E_u64;
    let mut bytes = words(&[if older { magic - 1 } else { magic }]);
    text(&mut bytes, "0.14");
    bytes.extend(words(&[2]));
    for (kind, name, span) in [(0_i32, "vm.builtin.copy", [0, 0]), (1, "_metadata", span)] {
        bytes.extend(kind.to_le_bytes());
        text(&mut bytes, name);
        bytes.extend(span.map(i64::to_le_bytes).concat());
        bytes.extend(words(&[0, 1, 0]));
    }
    if !older {
        bytes.extend(words(&[0]));
    }
    bytes.extend(words(&[1]));
    bytes.extend(65_i32.to_le_bytes());
    text(&mut bytes, "{}");
    let code: Vec<u64> = instructions.concat().iter().map(|word| word.cast_unsigned()).collect();
    let starts = instructions.iter().scan(0, |next, instruction| {
        let start = *next;
        *next += instruction.len() as u64;
        Some(start)
    });
    bytes.extend(words(&[instructions.len() as u64]));
    bytes.extend(words(&starts.collect::<Vec<_>>()));
    bytes.extend(words(&[code.len() as u64]));
    bytes.extend(words(&code));
    bytes
}

#[test]
fn metadata_is_a_constant_or_its_copy_and_nothing_else() {
    const CONST_0: i64 = 2 << 56;
    let json = |older, span, instructions: &[&[i64]]| {
        let bytes = program(older, span, instructions);
        let executable = Executable::parse(Reader::new(&bytes, 0)).unwrap();
        executable.metadata_json().map(str::to_owned)
    };
    for older in [false, true] {
        let copy: [&[i64]; 2] = [&[1, 0, 0, 1, CONST_0], &[2, 0]];
        assert_eq!(json(older, [0, 2], &copy).unwrap(), "{}");
        assert_eq!(json(older, [0, 1], &[&[2, CONST_0]]).unwrap(), "{}");
    }
    let refused: [([i64; 2], &[&[i64]]); 12] = [
        ([0, 0], &[]),
        ([0, i64::MAX], &[]),
        ([-1, 1], &[&[2, CONST_0]]),
        ([1, 0], &[&[2, CONST_0]]),
        ([0, 1], &[&[2, 0]]),
        ([0, 1], &[&[2]]),
        ([0, 1], &[&[2, CONST_0 | 1]]),
        ([0, 1], &[&[2, CONST_0 | ((1 << 56) - 1)]]),
        ([0, 1], &[&[3, 0]]),
        ([0, 2], &[&[1, 0, 1, 1, CONST_0], &[2, 0]]),
        ([0, 2], &[&[1, 0, 0, i64::MAX, CONST_0], &[2, 0]]),
        ([0, 2], &[&[1, 0, 0, 1, CONST_0], &[2, 1]]),
    ];
    for (span, instructions) in refused {
        let answer = json(false, span, instructions);
        assert!(matches!(answer, Err(BlobError::NoMetadata(_))), "{span:?} {instructions:?}");
    }
}
