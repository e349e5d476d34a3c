use super::diagnostic::Sink;
use super::fields::{At, Fields};
use super::quote::quote;
use super::{Code, Diagnostic};
use crate::model::{HubRepo, Revision, RevisionError};

/// Reads an entry's `revision`. Only a hub's `model` may have one; of a `model` that is absent or
/// no string it is not known what it is.
pub(super) fn read(sink: &mut Sink, fields: &Fields, model: Option<At<&str>>) -> Option<Revision> {
    let text = fields.text(sink, "revision")?;
    let is_local =
        |model: &At<&str>| !HubRepo::is_url(model.value) && !model.value.trim().is_empty();
    if let Some(model) = model.filter(is_local) {
        let message = format!("the local model {} has no revisions", quote(model.value));
        let help = "remove it: what is in the directory is packaged";
        let found = Diagnostic::new(Code::LocalModelRevision, text.span, message, help);
        sink.push(found.related(model.span, "a path on this machine"));
        return None;
    }
    match text.value.parse() {
        Ok(revision) => Some(revision),
        Err(why) => {
            sink.push(invalid(&fields.named("revision"), text, &why));
            None
        }
    }
}

fn invalid(path: &str, text: At<&str>, why: &RevisionError) -> Diagnostic {
    let message = match why {
        RevisionError::Empty => format!("{path} is empty"),
        RevisionError::TooLong => format!("{path} is longer than {} bytes", Revision::MAX_BYTES),
        RevisionError::Character | RevisionError::Form => {
            format!("{path}: {} is not a branch, tag or commit", quote(text.value))
        }
    };
    let help = match why {
        RevisionError::Empty => {
            "name a branch, a tag or a commit, or leave the field out".to_owned()
        }
        RevisionError::TooLong => "name a branch, a tag or a commit".to_owned(),
        RevisionError::Character | RevisionError::Form => trimmed(text.value)
            .map_or_else(|| why.to_string(), |meant| format!("write {}", quote(&meant))),
    };
    Diagnostic::new(Code::InvalidRevision, text.span, message, help)
}

/// The revision between white space and slashes.
fn trimmed(text: &str) -> Option<String> {
    let meant = text.trim_matches(|c: char| c.is_whitespace() || c == '/');
    (meant != text && meant.parse::<Revision>().is_ok()).then(|| meant.to_owned())
}
