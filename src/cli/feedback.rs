//! What `report` tells the people of a pull request.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::Context;
use crate::config::{self, Severity};
use crate::error::Error;
use crate::github::api::ApiOptions;
use crate::github::event;
use crate::io::environment::Environment;
use crate::publish::feedback::{self, CommentWhen, Feedback};
use crate::publish::{Annotation, Conclusion, Level, Place};
use crate::report::{self, SizeReport};

/// Where the report goes besides.
#[derive(Debug, Args)]
#[command(next_help_heading = IN_A_JOB)]
pub(super) struct FeedbackArgs {
    /// Comment on the job's pull request
    #[arg(long, value_name = "WHEN", default_value = "never")]
    comment: When,
    #[command(flatten)]
    comment_place: CommentPlace,
    /// Create a check run for the commit
    #[arg(long)]
    check: bool,
    /// Add it to the job's summary
    #[arg(long)]
    summary: bool,
}

/// Over the options that are about a job.
pub(super) const IN_A_JOB: &str = "In a job of GitHub Actions";

/// Which comment, of several jobs' on one pull request.
#[derive(Debug, Args)]
pub(super) struct CommentPlace {
    /// What tells several comments on one pull request apart: jobs of one key write one comment
    /// [default: the verb's own]
    #[arg(long, value_name = "KEY", value_parser = key, help_heading = IN_A_JOB)]
    comment_key: Option<String>,
    /// Write only this section of the comment, and leave those of other jobs; sections are in the
    /// order of their names
    #[arg(long, value_name = "NAME", value_parser = key, help_heading = IN_A_JOB)]
    comment_section: Option<String>,
}

impl CommentPlace {
    /// The comment, by its key or the verb's.
    pub(super) fn place<'a>(&'a self, verb: &'a str) -> Place<'a> {
        Place {
            key: self.comment_key.as_deref().unwrap_or(verb),
            section: self.comment_section.as_deref(),
        }
    }
}

/// A word that can stand in the mark of a comment.
fn key(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = !text.is_empty() && text.len() <= 100 && text.chars().all(plain);
    let good = good && !text.contains("--") && !text.starts_with('-') && !text.ends_with('-');
    match good {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, `.`, `_` and single `-` between them".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// Never
    Never,
    /// If a size changed or is over its budget; one that is there is kept up to date
    OnChange,
    /// Always
    Always,
}

impl FeedbackArgs {
    /// Says it. What the token may not do is left, and that is said. Gives whether the notes are
    /// shown at their lines, by a check run.
    pub(super) fn say(
        &self,
        sizes: &SizeReport,
        notes: Vec<config::render::Annotation>,
        context: &Context<'_>,
    ) -> Result<bool, Error> {
        let environment = Environment::current()?;
        let get = |name: &str| environment.text(name).map(str::to_owned);
        let markdown = report::markdown(sizes, report::COMMENT_CHARS);
        let conclusion = match (sizes.fails(), sizes.over_budget.is_empty()) {
            (true, _) => Conclusion::Failure,
            (false, false) => Conclusion::Neutral,
            (false, true) => Conclusion::Success,
        };
        let annotations: Vec<_> = notes.into_iter().map(annotation).collect();
        let feedback = Feedback {
            place: self.comment_place.place("size"),
            title: &sizes.title(),
            conclusion,
            markdown: &markdown,
            annotations: &annotations,
            comment: match self.comment {
                When::Never => CommentWhen::Never,
                When::OnChange => CommentWhen::OnChange,
                When::Always => CommentWhen::Always,
            },
            changed: sizes.has_news(),
            check: self.check.then_some("mlc-package size"),
        };
        let summary = environment.text("GITHUB_STEP_SUMMARY").map(Utf8PathBuf::from);
        let summary = summary.filter(|_| self.summary);
        let (options, job) = (ApiOptions::from_variables(&get, None), event::Context::read(&get));
        let (ui, cancel) = (&context.ui, &context.cancel);
        Ok(feedback::feedback(options, &job, summary.as_deref(), &feedback, ui, cancel)?)
    }
}

fn annotation(note: config::render::Annotation) -> Annotation {
    Annotation {
        path: note.path.into_string(),
        line: u32::try_from(note.line).unwrap_or(u32::MAX),
        level: match note.severity {
            Severity::Error => Level::Failure,
            Severity::Warning => Level::Warning,
        },
        title: note.title.to_owned(),
        message: note.message,
    }
}

/// The labels of the job's pull request, which may accept a growth.
pub(super) fn labels() -> Result<Vec<String>, Error> {
    let environment = Environment::current()?;
    let get = |name: &str| environment.text(name).map(str::to_owned);
    Ok(event::Context::read(&get).labels().to_vec())
}
