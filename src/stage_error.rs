//! What every stage says of its errors: the exit code, what to do, and what a person reads.

use std::error::Error;
use std::fmt::Display;
use std::io;

use camino::Utf8Path;

use crate::exit::Exit;

/// An error of a stage that can end a run.
pub trait StageError: Error + Send + Sync + 'static {
    /// The exit code.
    fn exit(&self) -> Exit;

    /// The error of another stage that this one only passes on, and which speaks for it.
    fn carried(&self) -> Option<&dyn StageError> {
        None
    }

    /// What to do about it.
    fn help(&self) -> Option<String> {
        self.carried().and_then(StageError::help)
    }

    /// What a person is told: one message per problem, and at least one.
    fn messages(&self) -> Vec<Message<'_>> {
        match self.carried() {
            Some(carried) => carried.messages(),
            None => vec![Message::new(self.to_string(), self.help())],
        }
    }
}

/// One problem, as a person is told of it.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// What is wrong.
    pub text: String,
    /// The code of the problem, which `explain` explains.
    pub code: Option<String>,
    /// What it is about, one line each, where that is too long for the text.
    pub items: &'a [String],
    /// The exception that ended a program: why, in its own words.
    pub exception: Option<&'a str>,
    /// What a program printed last.
    pub output: &'a [String],
    /// Where all that it printed is.
    pub log: Option<&'a Utf8Path>,
    /// What to do.
    pub help: Option<String>,
    /// Whether it was shown before in all its detail, so that only a summary of it is missing.
    pub is_shown: bool,
}

impl Message<'_> {
    /// A problem, and what to do about it.
    pub fn new(text: String, help: Option<String>) -> Self {
        Self { text, help, ..Self::default() }
    }

    /// The same with the code of the problem.
    #[must_use]
    pub fn coded(self, code: impl Display) -> Self {
        Self { code: Some(code.to_string()), ..self }
    }
}

/// The machine said no.
impl StageError for io::Error {
    fn exit(&self) -> Exit {
        Exit::Internal
    }
}

/// A value that has no JSON.
impl StageError for serde_json::Error {
    fn exit(&self) -> Exit {
        Exit::Internal
    }
}
