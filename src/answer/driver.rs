//! The Python that runs a model by TVM's runtime: what it is asked, and what it answers.
//! Its other side is `driver.py`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::process::Dialogue;
use crate::model::visible;

/// The program.
pub(super) const PROGRAM: &str = include_str!("driver.py");

/// The program, while it runs.
pub(super) struct Driver<'d> {
    pub(super) dialogue: &'d mut Dialogue,
    /// What it was asked last.
    pub(super) step: &'static str,
}

/// Why it did not answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It ended.
    Gone,
    /// It says what is no answer: the line.
    Rubbish(String),
    /// It says why not.
    Refused(String),
    /// The pipes.
    Io(std::io::Error),
}

/// What is asked.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(super) enum Request<'a> {
    /// Look for a device.
    Find { device: &'a str },
    /// Open a library on it.
    Open { library: &'a str, prefix: Option<&'a str> },
    /// Load weights.
    Load { model: &'a str, params: Vec<&'a str> },
    /// Make the state for one sequence: no `context` where `prefill` makes it.
    Begin { context: Option<u64>, chunk: u64, window: Option<u64>, sink: u64 },
    /// Forget the sequence.
    Reset,
    /// Append tokens, and name the most likely one after them.
    Greedy { tokens: &'a [u32] },
    /// Append tokens, and give the log-likelihood of each of those that follow.
    Score { tokens: &'a [u32], following: &'a [u32] },
    /// Logits after tokens at once, and after `split` of them and the rest one by one.
    Compare { tokens: &'a [u32], split: usize },
}

/// Whether there is a device.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) exists: bool,
}

/// What a library is.
#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    pub(super) metadata: String,
    /// Those of its functions that matter here.
    pub(super) functions: Vec<String>,
}

/// What the weights are on the device.
#[derive(Debug, Deserialize)]
pub(super) struct Loaded {
    pub(super) params: Vec<LoadedParam>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoadedParam {
    pub(super) shape: Vec<u64>,
    pub(super) dtype: String,
}

/// The next token; none where the logits are no numbers.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    pub(super) token: Option<u32>,
}

/// Log-likelihoods; none where the logits are no numbers.
#[derive(Debug, Deserialize)]
pub(super) struct Scored {
    pub(super) scores: Option<Vec<f64>>,
}

/// How far the logits of two ways are apart; none where they are no numbers.
#[derive(Debug, Deserialize)]
pub(super) struct Compared {
    pub(super) largest: Option<f64>,
    pub(super) difference: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Error { error: String },
    Good(T),
}

/// What the program says when it has imported all that it needs.
const READY: &str = "mlc-package: ready";
/// What a person is told that a Python is at until then.
pub(super) const STARTING: &str = "starting";
/// How much of a line that is no answer is kept, in characters.
const LINE: usize = 200;

impl Driver<'_> {
    /// Waits until it has started. Whatever Python's own start-up prints is passed over.
    pub(super) fn start(&mut self) -> Result<(), Trouble> {
        self.step = STARTING;
        while let Some(line) = self.dialogue.hear().map_err(Trouble::Io)? {
            // What was printed before may have had no end of a line.
            if line.trim_end().ends_with(READY) {
                return Ok(());
            }
        }
        Err(Trouble::Gone)
    }

    /// Asks. `step` is what a person is told that it was at.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        request: &Request<'_>,
    ) -> Result<T, Trouble> {
        self.step = step;
        let question = serde_json::to_string(request).map_err(|error| Trouble::Io(error.into()))?;
        let answer = self.dialogue.ask(&question).map_err(Trouble::Io)?.ok_or(Trouble::Gone)?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Good(good)) => Ok(good),
            Ok(Answer::Error { error }) => Err(Trouble::Refused(error)),
            Err(_) => Err(Trouble::Rubbish(visible(answer.trim_end(), LINE).into_owned())),
        }
    }
}
