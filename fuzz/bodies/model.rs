//! What the target `model` does with bytes: what the Hub says of a repository, the indexes in a
//! model's directory, a lock file, and what GitHub says of an event, each under its name.

use std::collections::BTreeSet;

use mlc_package::fetch::Lock;
use mlc_package::fetch::hub::{Listing, TreePage};
use mlc_package::github::event::{Context, Event};
use mlc_package::model::{
    ChatConfig, Device, HubRepo, Overrides, ShardPath, TensorCache, to_python_json,
};
use mlc_package::plan::{compile_relevant, default_model_lib};
use serde_json::Value;

use crate::place::Place;
use crate::sections::Sections;

/// Says whether everything in it could be read.
pub(crate) fn run(input: &[u8]) -> bool {
    let read = |(name, bytes): (&str, &[u8])| match name {
        "tensor-cache.json" => tensor_cache(bytes),
        "mlc-chat-config.json" => chat_config(bytes),
        "tree" => tree(bytes),
        "mlc-package.lock" => lock(bytes),
        name => name.strip_prefix("event ").is_some_and(|name| event(name, bytes)),
    };
    let found: Vec<_> = Sections::of(input).iter().map(read).collect();
    found.iter().all(|read| *read)
}

/// A path that stays in the directory it is joined to.
fn stays(path: &ShardPath) {
    let text = path.as_str();
    assert!(!text.contains('\\') && !text.chars().any(char::is_control), "{path}");
    assert!(path.as_path().is_relative(), "{path}");
    assert!(text.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
}

fn tensor_cache(bytes: &[u8]) -> bool {
    let Ok(cache) = TensorCache::parse(bytes) else { return false };
    let mut sum = 0_u128;
    for shard in &cache.shards {
        stays(&shard.path);
        sum += u128::from(shard.nbytes);
        for tensor in &shard.records {
            let end = u128::from(tensor.byte_offset) + u128::from(tensor.nbytes);
            assert!(end <= u128::from(shard.nbytes), "{}", tensor.name);
        }
    }
    assert_eq!(u128::from(cache.weight_bytes()), sum.min(u64::MAX.into()));
    let text = serde_json::to_vec(&cache).expect("JSON");
    assert_eq!(TensorCache::parse(&text).expect("our own"), cache);
    true
}

fn chat_config(bytes: &[u8]) -> bool {
    let Ok(config) = ChatConfig::parse(bytes) else { return false };
    assert_eq!(config.text(), bytes);
    for name in ["vocab_size", "context_window_size", "head_dim"] {
        let nested = config.model_config().find(|(other, _)| *other == name);
        let value = config.fields().get(name).or(nested.map(|(_, value)| value));
        assert_eq!(config.number(name), value.and_then(Value::as_i64));
    }
    let text = to_python_json(config.fields()).expect("JSON");
    assert!(text.is_ascii());
    let again: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(again, Value::Object(config.fields().clone()));
    let relevant = compile_relevant(&config);
    assert!(relevant.keys().is_sorted() && relevant.contains_key("model_type"));
    let overrides = Overrides { context_window_size: Some(7), ..Overrides::default() };
    for device in Device::ALL {
        if let Ok(name) = default_model_lib(&config, &overrides, device) {
            // A part of the names of symbols and of files.
            let plain = |c: char| c == '_' || c.is_ascii_alphanumeric();
            assert!(name.as_str().chars().all(plain) && name.as_str().len() <= 200, "{name}");
        }
    }
    true
}

/// A page of a repository's files.
fn tree(bytes: &[u8]) -> bool {
    let Ok(page) = TreePage::parse(bytes) else { return false };
    let files: Result<Vec<_>, _> = page.files().collect();
    match files.and_then(Listing::new) {
        Ok(listing) => {
            sound(&listing);
            true
        }
        Err(_) => false,
    }
}

/// No two files are one, nor is one another's directory, also where case does not count.
fn sound(listing: &Listing) {
    let mut names = BTreeSet::new();
    for file in &listing.files {
        stays(&file.path);
        assert_eq!(listing.file(file.path.as_str()), Some(file));
        assert!(names.insert(file.path.as_str().to_lowercase()), "{}", file.path);
    }
    for name in &names {
        for (at, _) in name.match_indices('/') {
            assert!(!names.contains(&name[..at]), "{name}");
        }
    }
    let _ = listing.bytes();
}

fn lock(bytes: &[u8]) -> bool {
    let place = Place::with(&[]);
    place.write("mlc-package.lock", bytes);
    let path = place.path("mlc-package.lock");
    let Ok(lock) = Lock::read(&path) else { return false };
    let lock = lock.expect("it is there");
    let repo: HubRepo = "HF://org/model".parse().expect("a name");
    if let Some(model) = lock.find(&repo) {
        sound(&Listing::new(model.files.clone()).expect("it was checked"));
    }
    lock.write(&path).expect("it can be written");
    assert_eq!(Lock::read(&path).expect("our own"), Some(lock));
    true
}

/// An event of this name, in a job of `org/app`.
fn event(name: &str, bytes: &[u8]) -> bool {
    let get = |variable: &str| match variable {
        "GITHUB_EVENT_NAME" => Some(name.to_owned()),
        "GITHUB_REPOSITORY" => Some("org/app".to_owned()),
        _ => None,
    };
    let context = Context::new(&get, bytes);
    assert_eq!(Context::new(&get, bytes), context, "the same twice");
    for commit in context.head().into_iter().chain(context.base()) {
        assert!(matches!(commit.len(), 40 | 64), "{commit}");
        assert!(commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{commit}");
        assert!(commit.bytes().any(|b| b != b'0'), "{commit}");
    }
    assert_ne!(context.pull_request(), Some(0));
    let mut texts: Vec<&str> = context.labels().iter().map(String::as_str).collect();
    match &context.event {
        Event::PullRequest(pull) => texts.extend(pull.base_branch.as_deref()),
        Event::WorkflowRun(run) => {
            texts.extend(run.head_branch.as_deref());
            // Whose head is not known is taken for a stranger.
            let home = run.head_repository.as_ref().is_some_and(|it| it.to_string() == "org/app");
            assert_eq!(context.is_fork(), !home);
        }
        Event::Release(release) => texts.push(&release.tag),
        _ => {}
    }
    for text in texts {
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
    serde_json::from_slice::<Value>(bytes).is_ok()
}
