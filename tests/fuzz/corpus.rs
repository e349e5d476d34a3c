//! What the targets begin with.

use std::path::Path;

/// The files of a target's corpus, by name.
pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.push((name, fs_err::read(entry.path()).unwrap()));
    }
    files.sort();
    assert!(files.len() >= 3, "the corpus of {target}");
    files
}
