//! What a job says of a package to the people of a pull request.

use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;

use crate::github::api::{Api, ApiError, ApiOptions};
use crate::github::event::Context;
use crate::github::output;
use crate::io::process::Cancel;
use crate::publish::{
    self, Annotation, Check, Commented, Conclusion, Place, PublishError, StickyComment,
};
use crate::ui::Ui;

/// When a comment is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommentWhen {
    /// Never.
    #[default]
    Never,
    /// When there is something new to say; one that is there is kept up to date.
    OnChange,
    /// Always.
    Always,
}

/// What is to be said, and where.
#[derive(Debug)]
pub struct Feedback<'a> {
    /// Which comment it is, or which section of it.
    pub place: Place<'a>,
    /// What it comes to, in a few words: the check run's title.
    pub title: &'a str,
    /// How the check run ends.
    pub conclusion: Conclusion,
    /// The text: of the comment, the check run, and the job's summary.
    pub markdown: &'a str,
    /// Notes at lines of files.
    pub annotations: &'a [Annotation],
    /// Whether a comment is made.
    pub comment: CommentWhen,
    /// Whether there is something new to say, for [`CommentWhen::OnChange`].
    pub changed: bool,
    /// The check run's name; none is made without.
    pub check: Option<&'a str>,
}

/// Says it on the pull request, beside the commit, and in the job's summary. Where the token may
/// not do one of them, or GitHub does not answer, the others are left; that is said once, and
/// no failure: the work was done. Gives whether the check run was made, with all its notes.
pub fn feedback(
    options: Result<ApiOptions, ApiError>,
    context: &Context,
    summary: Option<&Utf8Path>,
    feedback: &Feedback<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<bool, PublishError> {
    let mut checked = false;
    let commented = feedback.comment != CommentWhen::Never;
    if commented || feedback.check.is_some() {
        let told = AtomicBool::new(false);
        let on_wait = |why: &str, time: std::time::Duration| {
            // One line says it; each further one would be the same.
            if !told.swap(true, Ordering::Relaxed) {
                ui.retrying(why, time);
            }
        };
        let options = options.and_then(|options| match &options.token {
            Some(_) => Ok(options),
            None => Err(ApiError::NoToken),
        });
        let said = match &options {
            Ok(options) => {
                Api::new(options, cancel, &on_wait).and_then(|api| say(&api, context, feedback, ui))
            }
            Err(error) => {
                let what = if commented { "comment" } else { "check run" };
                ui.warn(&format!("no {what}: {error}"));
                Ok(false)
            }
        };
        match said {
            Err(error @ ApiError::Cancelled) => return Err(error.into()),
            Err(error) => ui.warn(&format!("neither comment nor check run: {error}")),
            Ok(made) => checked = made,
        }
    }
    if let Some(file) = summary {
        summarize(file, feedback.markdown, ui);
    }
    Ok(checked)
}

fn say(
    api: &Api<'_>,
    context: &Context,
    feedback: &Feedback<'_>,
    ui: &Ui,
) -> Result<bool, ApiError> {
    if feedback.comment != CommentWhen::Never {
        pass_on(comment(api, context, feedback, ui), "comment", ui)?;
    }
    match feedback.check {
        Some(name) => {
            let made = pass_on(check(api, context, feedback, name, ui), "check run", ui)?;
            Ok(made.unwrap_or(false))
        }
        None => Ok(false),
    }
}

/// A failure is told and left behind; only the wish to stop is not.
fn pass_on<T>(done: Result<T, ApiError>, what: &str, ui: &Ui) -> Result<Option<T>, ApiError> {
    match done {
        Err(ApiError::Cancelled) => Err(ApiError::Cancelled),
        Err(error) => {
            ui.warn(&format!("no {what}: {error}"));
            if let Some(help) = error.help() {
                ui.note("help", &help);
            }
            Ok(None)
        }
        Ok(done) => Ok(Some(done)),
    }
}

fn comment(
    api: &Api<'_>,
    context: &Context,
    feedback: &Feedback<'_>,
    ui: &Ui,
) -> Result<(), ApiError> {
    let Some(number) = publish::pull_request(api, context)? else {
        ui.warn("no comment: this job is about no pull request");
        return Ok(());
    };
    let commented = publish::comment(
        api,
        &StickyComment {
            pull_request: number,
            place: feedback.place,
            markdown: feedback.markdown,
            create: feedback.comment == CommentWhen::Always || feedback.changed,
        },
    )?;
    match commented {
        Commented::Created => ui.status("Commented", &format!("on #{number}")),
        Commented::Updated => ui.status("Commented", &format!("on #{number}, over the last one")),
        Commented::Unchanged => ui.detail("Commented", &format!("on #{number}: as before")),
        Commented::Left => ui.detail("Commented", "not: nothing has changed"),
    }
    Ok(())
}

fn check(
    api: &Api<'_>,
    context: &Context,
    feedback: &Feedback<'_>,
    name: &str,
    ui: &Ui,
) -> Result<bool, ApiError> {
    let Some(head) = context.head() else {
        ui.warn("no check run: this job is about no commit");
        return Ok(false);
    };
    publish::check(
        api,
        &Check {
            name,
            head,
            conclusion: feedback.conclusion,
            title: feedback.title,
            markdown: feedback.markdown,
            annotations: feedback.annotations,
            details_url: context.run_url.as_deref(),
            external_id: &crate::github::random_word(),
        },
    )?;
    ui.status("Checked", &format!("{name} at {}", head.get(..7).unwrap_or(head)));
    Ok(true)
}

/// The summary is extra too: a runner without the file has shown the rest.
fn summarize(file: &Utf8Path, markdown: &str, ui: &Ui) {
    let added = output::add_summary(file, markdown).and_then(|whole| {
        if whole {
            return Ok(true);
        }
        ui.warn("the job's summary has no room for all: it is cut");
        // Characters have up to four bytes.
        let limit = usize::try_from(output::room(file)? / 4).unwrap_or_default();
        output::add_summary(file, &publish::cut(markdown, limit))
    });
    if let Err(error) = added {
        ui.warn(&format!("no summary: {error}"));
    }
}
