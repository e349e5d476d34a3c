//! What is asked of the network and which programs are run, told to whoever wants to know (`-vv`).
//! No token is in it: they go in headers and variables, and addresses are [`printable`].
//!
//! [`printable`]: super::http::address::printable

use std::ffi::OsString;
use std::sync::OnceLock;

use camino::Utf8Path;

use super::http::{Url, address};

/// Hears a word and what it is about.
type Listener = Box<dyn Fn(&str, &str) + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();

/// Has somebody hear of every request and every program of this process, from any thread. The first
/// to ask is the one.
pub fn listen(listener: impl Fn(&str, &str) + Send + Sync + 'static) {
    let _ = LISTENER.set(Box::new(listener));
}

/// A request, and what came of it: a status, or why there was none.
pub(super) fn request(method: &str, url: &Url, outcome: impl FnOnce() -> String) {
    if let Some(listener) = LISTENER.get() {
        listener("Asked", &format!("{method} {}: {}", address::printable(url), outcome()));
    }
}

/// A program that is about to run, as a shell would be told to run it.
pub(super) fn program(path: &Utf8Path, args: &[OsString], directory: &Utf8Path) {
    if let Some(listener) = LISTENER.get() {
        let args = args.iter().map(|arg| arg.to_string_lossy());
        let words: Vec<_> = std::iter::once(path.as_str().into()).chain(args).collect();
        let line = shlex::try_join(words.iter().map(|word: &std::borrow::Cow<'_, str>| &**word));
        // A NUL is in no argument.
        let line = line.unwrap_or_default();
        listener("Running", &format!("{line} (in {directory})"));
    }
}
