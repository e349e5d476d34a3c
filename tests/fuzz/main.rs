//! The bodies of the fuzz targets, over their corpus and over changes of it: what `make fuzz` does
//! with an engine and more time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a body finds fails the test"
)]

#[path = "../../fuzz/bodies/harmless.rs"]
mod harmless;
#[path = "../../fuzz/bodies/manifest.rs"]
mod manifest;
#[path = "../../fuzz/bodies/mutation.rs"]
mod mutation;
#[path = "../../fuzz/bodies/sections.rs"]
mod sections;

use std::path::Path;

use mutation::Chance;

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
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

/// Names the input when a body fails.
struct Case<'a> {
    file: &'a str,
    seed: u64,
    input: Vec<u8>,
}

impl Drop for Case<'_> {
    #[expect(clippy::print_stderr, reason = "for whoever looks into the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.input.escape_ascii();
            eprintln!("{} changed by seed {}: {shown}", self.file, self.seed);
        }
    }
}

/// Runs a body over its corpus, which is of inputs that can be read but for those named `not-…`,
/// and over so many changes of it.
fn run(target: &str, body: fn(&[u8]) -> bool, changes: u64) {
    let corpus = corpus(target);
    for (file, input) in &corpus {
        let case = Case { file, seed: 0, input: input.clone() };
        assert_eq!(body(&case.input), !file.starts_with("not-"), "{file}");
    }
    let mut readable = 0;
    for seed in 1..=changes {
        let mut chance = Chance::new(seed);
        let (file, input) = &corpus[chance.below(corpus.len())];
        let mut input = input.clone();
        for _ in 0..=chance.below(3) {
            // Most changes of bytes leave no JSON.
            match mutation::json(&input, &mut chance).filter(|_| chance.below(4) > 0) {
                Some(changed) => input = changed,
                None => mutation::bytes(&mut input, &mut chance),
            }
        }
        let case = Case { file, seed, input };
        readable += u64::from(body(&case.input));
    }
    // Inputs that are all refused would show nothing of what comes after reading.
    assert!(readable > changes / 50, "{readable} of {changes}");
}

#[test]
fn manifests_of_strangers_are_shown_or_refused() {
    run("manifest", manifest::run, 500);
}
