use serde_json::Value;

/// The payload of an event, by JSON pointers.
pub(super) struct Payload(pub(super) Value);

impl Payload {
    /// A text that is not empty and holds nothing that steers a terminal or ends a line.
    pub(super) fn text(&self, pointer: &str) -> Option<String> {
        plain(self.0.pointer(pointer)?)
    }

    /// The texts of a list's entries.
    pub(super) fn texts(&self, list: &str, pointer: &str) -> Vec<String> {
        let entries = self.0.pointer(list).and_then(Value::as_array);
        let text = |entry: &Value| plain(entry.pointer(pointer)?);
        entries.map(|entries| entries.iter().filter_map(text).collect()).unwrap_or_default()
    }

    /// A number from 1 on.
    pub(super) fn number(&self, pointer: &str) -> Option<u64> {
        self.0.pointer(pointer)?.as_u64().filter(|number| *number > 0)
    }

    /// A commit; none for the one of zeros, which stands for no commit.
    pub(super) fn commit(&self, pointer: &str) -> Option<String> {
        commit_id(self.0.pointer(pointer)?.as_str()?)
    }
}

fn plain(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// A commit's name, 40 or 64 hexadecimal digits that are not all zero, in lower case.
pub(super) fn commit_id(text: &str) -> Option<String> {
    let digits = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    (digits && text.bytes().any(|b| b != b'0')).then(|| text.to_ascii_lowercase())
}
