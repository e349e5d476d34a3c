//! The tokenizer of a checkpoint: its files, how many tokens it knows, and how its tokens become
//! text.

mod info;
mod special;
mod vocabulary;
mod world;

use camino::Utf8Path;

pub(super) use self::info::TokenizerInfo;
use self::vocabulary::TokenizerJson;
use super::ConvertError;
use crate::io::contents::Contents;
use crate::io::{atomic, files, link};
use crate::model::{ByteSize, LinkMode, git_lfs};

/// The files that an MLC model directory takes over, in upstream's order.
const FILES: [&str; 6] = [
    "tokenizer.model",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "tokenizer_config.json",
];

/// The most a `tokenizer.json` may hold in bytes; the largest known have some 35 MiB.
const LIMIT: u64 = 128 << 20;

/// What is known of a checkpoint's tokenizer.
#[derive(Debug, Default)]
pub(super) struct Tokenizer {
    /// The files there are, in upstream's order.
    pub(super) files: Vec<String>,
    /// How its tokens become text.
    pub(super) info: TokenizerInfo,
    /// How many tokens it knows; none without a `tokenizer.json`.
    pub(super) tokens: Option<i64>,
    /// RWKV's tokens, as its runtime reads them.
    world: Option<Vec<u8>>,
}

/// Whether a checkpoint has a file that tells its tokens.
pub(super) fn is_there(checkpoint: &Utf8Path) -> bool {
    let there = |name: &str| files::is_file(&checkpoint.join(name));
    let tokens = FILES
        .into_iter()
        .filter(|name| !matches!(*name, "added_tokens.json" | "tokenizer_config.json"));
    tokens.into_iter().any(there) || !matches!(world(checkpoint), Ok(None))
}

/// Looks at the tokenizer of a checkpoint. One that is there has to be whole.
pub(super) fn read(
    checkpoint: &Utf8Path,
    vocab_size: i64,
    warnings: &mut Vec<String>,
) -> Result<Tokenizer, ConvertError> {
    let there = |name: &&str| files::is_file(&checkpoint.join(name));
    let found: Vec<_> = FILES.into_iter().filter(there).map(str::to_owned).collect();
    for path in found.iter().map(|name| checkpoint.join(name)) {
        let failed = |source| ConvertError::Read { path: path.clone(), source };
        if git_lfs::is_pointer(&files::start(&path, 100).map_err(failed)?) {
            return Err(ConvertError::Invalid { path, why: git_lfs::NOT_PULLED.to_owned() });
        }
    }
    let path = checkpoint.join("tokenizer.json");
    let world = world(checkpoint)?;
    if !files::is_file(&path) && world.is_some() {
        return Ok(Tokenizer { files: found, world, ..Tokenizer::default() });
    }
    if !files::is_file(&path) {
        warnings.push(if found.iter().any(|name| name == "tokenizer.model") {
            "the checkpoint has tokenizer.model but no tokenizer.json: tokens that were added to \
             it are not known to the app; MLC LLM itself converts it, with --engine mlc and \
             Python's transformers"
                .to_owned()
        } else {
            "the checkpoint has no tokenizer.json: the app will need one".to_owned()
        });
        return Ok(Tokenizer { files: found, ..Tokenizer::default() });
    }
    let failed = |source| ConvertError::Read { path: path.clone(), source };
    if files::size(&path).map_err(failed)? > LIMIT {
        return Err(ConvertError::TooLarge { path, limit: ByteSize(LIMIT) });
    }
    let text = Contents::open(&path).map_err(failed)?;
    let invalid = |why| ConvertError::Invalid { path: path.clone(), why };
    let json: TokenizerJson<'_> = serde_json::from_slice(&text)
        .map_err(|error| invalid(format!("it is not a tokenizer: {error}")))?;
    let info = info::detect(&json).map_err(|why| invalid(why.to_string()))?;
    json.refuse_duplicates().map_err(|why| invalid(why.to_string()))?;
    let tokens = json.count(&special::read(checkpoint, json.is_byte_level())?);
    let beyond = json.ids_from(u64::try_from(vocab_size).unwrap_or_default());
    if let (Some(first), Some(last)) = (beyond.first(), beyond.last()) {
        let ids = match beyond.len() {
            1 => format!("the token id {first}"),
            count => format!("{count} token ids, {first} to {last},"),
        };
        warnings.push(format!(
            "tokenizer.json has {ids} beyond the model's {vocab_size}: a text with one of them \
             makes the app read past the end of its embedding"
        ));
    } else if tokens > vocab_size {
        warnings.push(format!(
            "the tokenizer knows {tokens} tokens, and the model {vocab_size}: it cannot answer \
             with the last ones"
        ));
    }
    Ok(Tokenizer { files: found, info, tokens: Some(tokens), world })
}

/// What is made of RWKV's list of tokens, if the checkpoint has one.
fn world(checkpoint: &Utf8Path) -> Result<Option<Vec<u8>>, ConvertError> {
    let failed = |source| ConvertError::Read { path: checkpoint.to_owned(), source };
    let entries = files::tree(checkpoint, |_| false).map_err(failed)?;
    let Some(entry) = entries.iter().find(|entry| world::is_list(entry.path.as_str())) else {
        return Ok(None);
    };
    let path = checkpoint.join(&entry.path);
    let failed = |source| ConvertError::Read { path: path.clone(), source };
    let text = files::read_at_most(&path, LIMIT)
        .map_err(failed)?
        .ok_or_else(|| ConvertError::TooLarge { path: path.clone(), limit: ByteSize(LIMIT) })?;
    let invalid = |why| ConvertError::Invalid { path: path.clone(), why };
    let text = String::from_utf8(text).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
    let model = world::model(entry.path.as_str(), &text);
    model.map(Some).map_err(|why| invalid(why.to_string()))
}

impl Tokenizer {
    /// Copies the files, and writes what is made of them.
    pub(super) fn copy(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), ConvertError> {
        for name in &self.files {
            let target = to.join(name);
            files::remove_file(&target).map_err(ConvertError::Write)?;
            // Not a hard link: the checkpoint may lie in a cache that others write to.
            link::place(&from.join(name), &target, LinkMode::Copy).map_err(ConvertError::Write)?;
        }
        if let Some(world) = &self.world {
            atomic::write(&to.join(world::FILE_NAME), world).map_err(ConvertError::Write)?;
        }
        Ok(())
    }
}
