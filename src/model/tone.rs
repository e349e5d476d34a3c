use anstyle::{AnsiColor, Style};

/// What a word says of itself by its colour: the same in results and in messages. Streams of `anstream`
/// take colours off where they do not belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong.
    Bad,
    /// What stands over others, or before them.
    Heading,
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Good, Self::Warning, Self::Bad, Self::Heading];

    /// How a terminal shows it.
    pub const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Heading => Style::new().bold(),
        }
    }

    /// A text in it.
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// A text that begins with its verdict, `damaged: it is empty`, as the verdict and the rest.
pub fn verdict(text: &str) -> (&str, &str) {
    text.split_at(text.find(": ").unwrap_or(text.len()))
}
