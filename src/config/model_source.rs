use camino::{Utf8Path, Utf8PathBuf};

use super::diagnostic::Sink;
use super::fields::At;
use super::package::Checker;
use super::quote::{quote, quote_path};
use super::{Code, Diagnostic, FileText, ModelDir, ModelFault, Span, conversion};
use crate::model::{ChatConfig, HubRepo, LocalModel, ModelSource, Revision, SourceError};

/// A model's source, and what is known of the model itself.
pub(super) struct Found {
    pub(super) source: ModelSource,
    /// Known of a local model whose `mlc-chat-config.json` is good.
    pub(super) chat_config: Option<ChatConfig>,
}

/// Reads an entry's `model`; `revision` is what the entry says beside it, and `is_raw` whether a
/// checkpoint is to be converted.
pub(super) fn read(
    checker: &mut Checker,
    path: &str,
    text: At<&str>,
    revision: Option<Revision>,
    is_raw: bool,
) -> Option<Found> {
    if HubRepo::is_url(text.value) {
        return match text.value.parse::<HubRepo>() {
            Ok(repo) => {
                let repo = match revision {
                    Some(revision) => repo.with_revision(revision),
                    None => repo,
                };
                Some(Found { source: ModelSource::Hub(repo), chat_config: None })
            }
            Err(why) => {
                checker.sink.push(not_a_repository(path, text, &why));
                None
            }
        };
    }
    if text.value.trim().is_empty() {
        let help = "name a repository, `HF://user/repo`, or the path of a local model";
        let message = format!("{path} is empty");
        checker.sink.push(Diagnostic::new(Code::InvalidModel, text.span, message, help));
        return None;
    }
    let (dir, chat_config) = local(checker, path, text, is_raw)?;
    let source = ModelSource::Local(LocalModel { written: text.value.to_owned(), dir });
    Some(Found { source, chat_config })
}

fn not_a_repository(path: &str, text: At<&str>, why: &SourceError) -> Diagnostic {
    let rest = text.value.split_once("://").map_or("", |(_, rest)| rest);
    let help = match why {
        SourceError::OtherHost => match rest.strip_prefix("huggingface.co/") {
            Some(_) => format!("write {}", quote(&format!("https://{rest}"))),
            None if !rest.contains('.') && rest.matches('/').count() == 1 => {
                format!("write {}", quote(&format!("HF://{rest}")))
            }
            None => "download the model and name its directory, with `\"bundle_weight\": true`"
                .to_owned(),
        },
        SourceError::NotTwoNames => {
            let names = rest.trim_start_matches("huggingface.co/").trim_start_matches("hf.co/");
            let mut names = names.split('/').filter(|name| !name.is_empty());
            match (names.next(), names.next()) {
                (Some(user), Some(repo)) => {
                    format!("write {}", quote(&format!("HF://{user}/{repo}")))
                }
                _ => "write `HF://user/repo`".to_owned(),
            }
        }
        SourceError::WithRevision { repo, revision } => {
            format!("write `\"model\": \"HF://{repo}\", \"revision\": \"{revision}\"`")
        }
        SourceError::WithGit(repo) => format!("write `HF://{repo}`"),
        SourceError::Name(_) => {
            "names on the Hub consist of letters, digits, `-`, `_` and `.`".to_owned()
        }
    };
    let message = match why {
        SourceError::Name(name) => {
            format!("{path}: {} is not a name on the Hugging Face Hub", quote(name))
        }
        SourceError::NotTwoNames => {
            format!("{path}: a repository on the Hugging Face Hub has a user and a name")
        }
        SourceError::OtherHost | SourceError::WithRevision { .. } | SourceError::WithGit(_) => {
            format!("{path}: {why}")
        }
    };
    Diagnostic::new(Code::InvalidModel, text.span, message, help)
}

/// Finds a local model's directory and holds it against what a package needs of it.
fn local(
    checker: &mut Checker,
    path: &str,
    text: At<&str>,
    is_raw: bool,
) -> Option<(Utf8PathBuf, Option<ChatConfig>)> {
    let candidates = checker.place.candidates(text.value);
    let mut file = false;
    for dir in &candidates {
        if let Some(confined) = checker.surroundings.outside_of(dir) {
            let what = format!("the model directory {}", quote(text.value));
            checker.sink.push(outside(&what, text, &confined));
            return None;
        }
        match checker.surroundings.model_dir(dir) {
            ModelDir::Missing => {}
            ModelDir::NotADirectory => file = true,
            ModelDir::Unreadable(why) => {
                let message =
                    format!("the model directory {} cannot be read: {why}", quote(text.value));
                let help = "see that you may read it and what is in it";
                let found = Diagnostic::new(Code::MissingModel, text.span, message, help);
                checker.sink.push(found);
                return None;
            }
            ModelDir::Directory { chat_config, is_checkpoint, .. } if is_raw => {
                conversion::source(&mut checker.sink, text, &chat_config, is_checkpoint);
                if is_checkpoint && chat_config == FileText::Missing {
                    for fault in checker.surroundings.checkpoint_faults(dir) {
                        let found = model_fault(text, fault);
                        found.into_iter().for_each(|found| checker.sink.push(found));
                    }
                }
                return Some((dir.clone(), None));
            }
            // Both files would be missed, and neither is what is wrong.
            ModelDir::Directory {
                chat_config: FileText::Missing,
                has_tensor_cache: false,
                is_checkpoint: true,
            } => {
                checker.sink.push(conversion::unconverted(text));
                return Some((dir.clone(), None));
            }
            ModelDir::Directory { chat_config, has_tensor_cache, .. } => {
                let good = files(&mut checker.sink, text, chat_config, has_tensor_cache);
                if let Some(good) = &good {
                    for fault in checker.surroundings.model_faults(dir, good) {
                        let found = model_fault(text, fault);
                        found.into_iter().for_each(|found| checker.sink.push(found));
                    }
                }
                return Some((dir.clone(), good));
            }
        }
    }
    let written = quote(text.value);
    let (message, help) = if file {
        let help = "name the directory of a converted model".to_owned();
        (format!("{path}: {written} is not a directory"), help)
    } else {
        let help = remedy(text.value).unwrap_or_else(|| {
            let places: Vec<_> = candidates.iter().map(|dir| quote_path(dir)).collect();
            let hub = hub_name(text.value).map_or_else(String::new, |repo| {
                format!("; a model on the Hugging Face Hub is written {repo}")
            });
            match candidates.as_slice() {
                [only] if only == text.value => format!("check the path{hub}"),
                _ => format!("looked for {}{hub}", places.join(" and ")),
            }
        });
        (format!("{path}: there is no directory {written}"), help)
    };
    checker.sink.push(Diagnostic::new(Code::MissingModel, text.span, message, help));
    None
}

/// Something that a config names lies where the config may not look.
pub(super) fn outside(what: &str, text: At<&str>, confined: &Utf8Path) -> Diagnostic {
    let message = format!("{what} is not in {}", quote_path(confined));
    let help = "the config may only name what is in the directory that MLC_PACKAGE_CONFINE_TO names: \
                copy it there, or name a repository, `HF://user/repo`";
    Diagnostic::new(Code::Confined, text.span, message, help)
}

/// What a path that leads nowhere was certainly meant to be.
fn remedy(written: &str) -> Option<String> {
    if written.starts_with('~') {
        return Some("`~` is not expanded here; write the path in full".to_owned());
    }
    if written.contains('$') {
        return Some("variables are not expanded here; write the path in full".to_owned());
    }
    if let [drive, b':', ..] = written.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        let rest = written[2..].replace('\\', "/");
        if !rest.starts_with('/') {
            return Some(
                "this is a Windows path without its root; write the path in full".to_owned(),
            );
        }
        let there = quote(&format!("/mnt/{}{rest}", char::from(drive.to_ascii_lowercase())));
        return Some(format!("this is a Windows path; in WSL it is {there}"));
    }
    let rest = match written.split_once(':') {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_lowercase();
            ["hf", "https", "huggingface"].contains(&scheme.as_str()).then_some(rest)?
        }
        None => written.strip_prefix("huggingface.co/").or(written.strip_prefix("hf.co/"))?,
    };
    hub_name(rest.trim_start_matches('/')).map(|repo| format!("did you mean {repo}?"))
}

/// The repository that `user/repo` is, in quotes.
pub(super) fn hub_name(written: &str) -> Option<String> {
    let repo = format!("HF://{written}");
    let is_path = written.starts_with(['/', '.']) || written.ends_with('/');
    (!is_path && repo.parse::<HubRepo>().is_ok()).then(|| quote(&repo))
}

/// What a fault of a local model is in a package.
fn model_fault(text: At<&str>, fault: ModelFault) -> Option<Diagnostic> {
    let model = format!("the model directory {}", quote(text.value));
    let (code, message, help) = match fault {
        ModelFault::MissingShards(missing) => {
            let (first, more) = missing.split_first()?;
            let more = match more.len() {
                0 => String::new(),
                1 => " and 1 more shard".to_owned(),
                more => format!(" and {more} more shards"),
            };
            let message = format!("{model} has no {first}{more}, which its tensor cache names");
            (Code::IncompleteModel, message, "get the model again, or what of it is missing".into())
        }
        ModelFault::Unloadable(why) => {
            let code = match why.is_config() {
                true => Code::InvalidChatConfig,
                false => Code::IncompleteModel,
            };
            (code, format!("no app can load {model}: {why}"), why.help().to_owned())
        }
        ModelFault::Refused { why, help } => (
            Code::IncompleteModel,
            format!("{model} cannot be used: {why}"),
            help.unwrap_or_default(),
        ),
    };
    Some(Diagnostic::new(code, text.span, message, help))
}

/// The files that a local model must have.
fn files(
    sink: &mut Sink,
    text: At<&str>,
    chat_config: FileText,
    has_tensor_cache: bool,
) -> Option<ChatConfig> {
    let lacks = |span: Span, what: &str| {
        Diagnostic::new(
            Code::IncompleteModel,
            span,
            format!("the model directory {} has no {what}", quote(text.value)),
            "is it a converted model? `mlc-package convert` makes one",
        )
    };
    if !has_tensor_cache {
        sink.push(lacks(text.span, "tensor-cache.json or ndarray-cache.json"));
    }
    let again = "make it again with `mlc-package convert`";
    let (fault, help) = match chat_config {
        FileText::Missing => {
            sink.push(lacks(text.span, ChatConfig::FILE_NAME));
            return None;
        }
        FileText::Unreadable(why) => (why, "see that you may read it, and that it is that file"),
        FileText::Text(bytes) => match ChatConfig::parse(&bytes) {
            Ok(config) => return Some(config),
            Err(why) => (why.to_string(), again),
        },
    };
    sink.push(Diagnostic::new(
        Code::InvalidChatConfig,
        text.span,
        format!("the {} of {} cannot be used: {fault}", ChatConfig::FILE_NAME, quote(text.value)),
        help,
    ));
    None
}
