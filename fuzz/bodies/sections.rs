//! Several files in one input, so that a corpus can be read and written by hand: a line
//! `=== NAME` begins each. What is before the first is a file without a name.

const MARK: &[u8] = b"=== ";

/// The files of an input, in its order.
pub(crate) struct Sections<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Sections<'a> {
    /// Takes an input apart. Any bytes are an input.
    pub(crate) fn of(input: &'a [u8]) -> Self {
        let mut sections = Vec::new();
        let (mut name, mut start, mut at) = ("", 0, 0);
        loop {
            let line = &input[at..];
            let end = line.iter().position(|byte| *byte == b'\n');
            let header = end.and_then(|end| line[..end].strip_prefix(MARK));
            if let Some(header) = header.and_then(|header| std::str::from_utf8(header).ok()) {
                // The line break before a header belongs to it.
                let before = input[start..at].strip_suffix(b"\n").unwrap_or(&input[start..at]);
                sections.push((name, before));
                name = header;
                start = at + end.unwrap_or_default() + 1;
            }
            match end {
                Some(end) => at += end + 1,
                None => break,
            }
        }
        sections.push((name, &input[start.min(input.len())..]));
        if sections.len() > 1 && sections[0] == ("", b"") {
            sections.remove(0);
        }
        Self(sections)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter().copied()
    }

    /// A file by its name, the first of several.
    #[allow(dead_code, clippy::allow_attributes, reason = "targets of one file have no names")]
    pub(crate) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, bytes)| bytes)
    }

    /// The input with another text for one of its files.
    pub(crate) fn with(&self, changed: usize, text: &[u8]) -> Vec<u8> {
        let mut input = Vec::new();
        for (at, (name, bytes)) in self.iter().enumerate() {
            if !name.is_empty() || at > 0 {
                if at > 0 {
                    input.push(b'\n');
                }
                input.extend_from_slice(MARK);
                input.extend_from_slice(name.as_bytes());
                input.push(b'\n');
            }
            input.extend_from_slice(if at == changed { text } else { bytes });
        }
        input
    }
}
