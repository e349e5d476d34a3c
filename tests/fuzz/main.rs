//! The bodies of the fuzz targets, over their corpus and over changes of it: what `make fuzz` does
//! with an engine and more time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a body finds fails the test"
)]

#[path = "../../fuzz/bodies/archive.rs"]
mod archive;
#[path = "../../fuzz/bodies/chat.rs"]
mod chat;
#[path = "../../fuzz/bodies/checked.rs"]
mod checked;
#[path = "../../fuzz/bodies/checkpoint.rs"]
mod checkpoint;
#[path = "../../fuzz/bodies/config.rs"]
mod config;
mod corpus;
#[path = "../../fuzz/bodies/harmless.rs"]
mod harmless;
#[path = "../../fuzz/bodies/manifest.rs"]
mod manifest;
#[path = "../../fuzz/bodies/model.rs"]
mod model;
#[path = "../../fuzz/bodies/mutation.rs"]
mod mutation;
#[path = "../../fuzz/bodies/place.rs"]
mod place;
#[path = "../../fuzz/bodies/project.rs"]
mod project;
#[path = "../../fuzz/bodies/sections.rs"]
mod sections;
#[path = "../../fuzz/bodies/tar.rs"]
mod tar;
#[path = "../../fuzz/bodies/torch.rs"]
mod torch;

use corpus::corpus;
use mutation::Chance;

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

/// Runs a body over its corpus, of which those named `not-…` cannot be read.
fn corpus_is_good(target: &str, body: fn(&[u8]) -> bool) {
    for (file, input) in &corpus(target) {
        let case = Case { file, seed: 0, input: input.clone() };
        assert_eq!(body(&case.input), !file.starts_with("not-"), "{file}");
    }
}

/// The same, and over so many changes of it.
fn run(target: &str, body: fn(&[u8]) -> bool, changes: u64) {
    corpus_is_good(target, body);
    let readable = changed(target, body, changes);
    // Inputs that are all refused would show nothing of what comes after reading.
    assert!(readable > changes / 50, "{readable} of {changes}");
}

/// Runs a body over so many changes of its corpus; gives how many of them could be read.
fn changed(target: &str, body: fn(&[u8]) -> bool, changes: u64) -> u64 {
    let corpus = corpus(target);
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
    readable
}

#[test]
fn manifests_of_strangers_are_shown_or_refused() {
    run("manifest", manifest::run, 300);
}

#[test]
fn configs_are_checked_or_refused() {
    // Its corpus is of configs with problems.
    assert!(changed("config", config::run, 120) > 0);
}

#[test]
fn projects_are_checked_or_refused() {
    run("project", project::run, 120);
}

#[test]
fn checkpoints_are_converted_or_refused() {
    corpus_is_good("checkpoint", checkpoint::run);
    // Whatever is changed in a header, some tensor is not what it must be.
    assert!(changed("checkpoint", checkpoint::run, 400) > 0);
}

#[test]
fn what_torch_saved_is_read_or_refused() {
    corpus_is_good("torch", torch::run);
    assert!(changed("torch", torch::run, 400) > 0);
}

#[test]
fn chat_configs_are_written_or_refused() {
    run("chat", chat::run, 150);
}

#[test]
fn archives_are_unpacked_or_refused() {
    run("archive", archive::run, 300);
}

#[test]
fn what_says_what_a_model_is_is_read_or_refused() {
    run("model", model::run, 2000);
}
