//! Questions at a terminal, each with a default that Enter takes.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::super::suggest::device;
use super::texts::Entry;
use crate::model::{Device, HubRepo, visible};

/// What somebody answers, or the defaults if nobody is asked.
pub(super) struct Answers {
    /// Takes the defaults.
    yes: bool,
}

impl Answers {
    pub(super) fn new(yes: bool) -> Self {
        Self { yes }
    }

    /// Whether a person reads the questions and types.
    pub(super) fn can_be_asked(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// The models of the app: those that were found, or those that are typed, one per line.
    pub(super) fn models(&self, found: &[String]) -> io::Result<Vec<String>> {
        if self.yes {
            return Ok(found.to_vec());
        }
        self.say(
            "Which models does the app have? HF://user/repo or a directory; Enter ends the list.",
        )?;
        let mut models = Vec::new();
        loop {
            let default = if models.is_empty() { found.join(", ") } else { String::new() };
            let typed = self.ask("Model", &default)?;
            if typed.is_empty() {
                return Ok(if models.is_empty() { found.to_vec() } else { models });
            }
            let entry = Entry::of(&typed);
            match entry.is_known() {
                true => models.push(typed),
                false => {
                    let why = match typed.contains("://").then(|| HubRepo::of_argument(&typed)) {
                        Some(Err(why)) => format!(": {why}"),
                        _ => String::new(),
                    };
                    self.say(&format!(
                        "  That is neither HF://user/repo nor a directory with a model{why}."
                    ))?;
                }
            }
        }
    }

    /// What the package is for.
    pub(super) fn device(&self, default: Device) -> io::Result<Device> {
        loop {
            if self.yes {
                return Ok(default);
            }
            let typed = self.ask("Device: android, iphone or macabi", default.as_str())?;
            if typed.is_empty() {
                return Ok(default);
            }
            match device(&typed) {
                Ok(device) => return Ok(device),
                Err(why) => self.say(&format!("  {why}"))?,
            }
        }
    }

    /// Whether to go on.
    pub(super) fn agrees(&self, question: &str) -> io::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        let typed = self.ask(question, "yes")?.to_lowercase();
        Ok(matches!(&*typed, "" | "y" | "yes"))
    }

    /// What is typed; nothing for the default.
    fn ask(&self, question: &str, default: &str) -> io::Result<String> {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        let mut err = anstream::stderr().lock();
        write!(err, "{question}{}: ", visible(&shown, usize::MAX))?;
        err.flush()?;
        drop(err);
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            // Ctrl-D.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "no answer was given; nothing was written",
            ));
        }
        Ok(line.trim().to_owned())
    }

    fn say(&self, text: &str) -> io::Result<()> {
        writeln!(anstream::stderr().lock(), "{text}")
    }
}
