//! A check run: a mark beside a commit, with a text and notes at lines of files.

use serde::Serialize;
use serde_json::{Value, json};

use super::text::{CHECK_LIMIT, cut};
use crate::github::api::{Api, ApiError, Call, CheckRun, Permission};

/// The most annotations of a request.
const BATCH: usize = 50;

/// The longest title in characters, and the longest message of an annotation.
const TITLE: usize = 250;
const MESSAGE: usize = 16_000;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// Something is not as it must be.
    Failure,
    /// There is something to look at.
    Neutral,
}

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// To know.
    Notice,
    /// To look at.
    Warning,
    /// To change.
    Failure,
}

/// A note at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file, from the repository's root.
    pub path: String,
    /// The line, from 1 on.
    pub line: u32,
    /// How grave it is.
    pub level: Level,
    /// A few words.
    pub title: String,
    /// What is to be said.
    pub message: String,
}

/// A check run to be.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// Its name: the line beside the commit.
    pub name: &'a str,
    /// The commit: of a pull request its last, not the merge.
    pub head: &'a str,
    /// How it ended.
    pub conclusion: Conclusion,
    /// What it found, in a few words.
    pub title: &'a str,
    /// Its text; what is longer than it can be is cut.
    pub markdown: &'a str,
    /// Its notes.
    pub annotations: &'a [Annotation],
    /// The page that has more.
    pub details_url: Option<&'a str>,
    /// What nobody else calls a run of his: by it a request is known whose answer was lost.
    pub external_id: &'a str,
}

#[derive(serde::Deserialize)]
struct CheckRuns {
    check_runs: Vec<Known>,
}

#[derive(serde::Deserialize)]
struct Known {
    external_id: Option<String>,
    #[serde(flatten)]
    run: CheckRun,
}

/// Makes the check run: at once with how it ended, so that none is left running; annotations
/// that do not fit into one request follow.
pub fn check(api: &Api<'_>, check: &Check<'_>) -> Result<(), ApiError> {
    let mut body = json!({
        "name": check.name,
        "head_sha": check.head,
        "status": "completed",
        "conclusion": check.conclusion,
        "external_id": check.external_id,
        "output": output(check, 0),
    });
    if let Some(url) = check.details_url {
        body["details_url"] = json!(url);
    }
    let mut sent = false;
    let run = api.insist(|| {
        if std::mem::replace(&mut sent, true)
            && let Some(run) = find(api, check)?
        {
            return Ok(run);
        }
        api.make::<CheckRun>(Call::post(&["check-runs"], Permission::Checks), &body)
    })?;
    let id = run.id.to_string();
    let path = ["check-runs", &id];
    let mut there = BATCH;
    while there < check.annotations.len() {
        let mut lost = false;
        api.insist(|| {
            if std::mem::replace(&mut lost, true) {
                // What was sent may have arrived, and would be there twice.
                let now: CheckRun = api.get(Call::get(&path, Permission::Checks))?;
                if now.output.annotations_count > there {
                    return Ok(now);
                }
            }
            let body = json!({"output": output(check, there)});
            api.make::<CheckRun>(Call::patch(&path, Permission::Checks), &body)
        })?;
        there += BATCH;
    }
    Ok(())
}

fn find(api: &Api<'_>, check: &Check<'_>) -> Result<Option<CheckRun>, ApiError> {
    let path = ["commits", check.head, "check-runs"];
    let query = [("check_name", check.name), ("filter", "all"), ("per_page", "100")];
    let call = Call::get(&path, Permission::Checks).query(&query);
    let known: CheckRuns = api.get(call)?;
    let ours = |known: &Known| known.external_id.as_deref() == Some(check.external_id);
    Ok(known.check_runs.into_iter().find(ours).map(|known| known.run))
}

/// The text, and one request's annotations.
fn output(check: &Check<'_>, from: usize) -> Value {
    let annotations = check.annotations.iter().skip(from).take(BATCH).map(|annotation| {
        json!({
            "path": annotation.path,
            "start_line": annotation.line.max(1),
            "end_line": annotation.line.max(1),
            "annotation_level": annotation.level,
            "title": short(&annotation.title, TITLE),
            "message": short(&annotation.message, MESSAGE),
        })
    });
    json!({
        "title": short(check.title, TITLE),
        "summary": cut(check.markdown, CHECK_LIMIT),
        "annotations": annotations.collect::<Vec<_>>(),
    })
}

fn short(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
