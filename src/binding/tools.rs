//! The programs that a binding is built with: where they are, and of which version.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::tool_notes::{self, ToolNotes};
use super::{BindingError, Surroundings};
use crate::io::answer::{self, Question};
use crate::io::cancel::Cancel;
use crate::io::file_stamp::{self, Moment};
use crate::io::{dir, files};

/// The oldest NDK that upstream's documentation names, by the first number of its revision.
const OLDEST_NDK: u32 = 27;
/// The most a version may have in bytes.
const ANSWER_LIMIT: u64 = 64 << 10;
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where `xcode-select --switch` keeps its choice, and where Xcode is without one.
const SELECTED_XCODE: &str = "/var/db/xcode_select_link";
const DEFAULT_XCODE: &str = "/Applications/Xcode.app/Contents/Developer";

/// An Android NDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ndk {
    /// Its directory, absolute.
    pub dir: Utf8PathBuf,
    /// `Pkg.Revision`, `27.0.11718014` for instance.
    pub revision: String,
}

impl Ndk {
    /// The NDK that `ANDROID_NDK` names.
    pub(super) fn find(given: Surroundings<'_>) -> Result<Self, BindingError> {
        let dir = given.path("ANDROID_NDK").ok_or(BindingError::NoNdk)?;
        let no_ndk = |lacks| BindingError::NotNdk { dir: dir.clone(), lacks };
        if !files::is_file(&dir.join("build/cmake/android.toolchain.cmake")) {
            return Err(no_ndk("build/cmake/android.toolchain.cmake"));
        }
        let properties = files::read_at_most(&dir.join("source.properties"), ANSWER_LIMIT);
        let properties = properties.ok().flatten().unwrap_or_default();
        let revision = revision(&String::from_utf8_lossy(&properties)).map(str::to_owned);
        let revision = revision.ok_or_else(|| no_ndk("Pkg.Revision in source.properties"))?;
        let major = revision.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST_NDK) {
            return Err(BindingError::OldNdk { dir, revision });
        }
        Ok(Self { dir, revision })
    }

    /// The compiler that TVM links with unless the user names one: upstream's documented value of
    /// `TVM_NDK_CC`.
    pub(super) fn compiler(&self) -> Option<Utf8PathBuf> {
        self.program("aarch64-linux-android24-clang")
    }

    /// What compiles everything.
    pub(super) fn clang(&self) -> Option<Utf8PathBuf> {
        self.program("clang")
    }

    /// Where its compilers and libraries are, for the machine that it was made for.
    pub(super) fn toolchain(&self) -> Option<Utf8PathBuf> {
        let prebuilt = self.dir.join("toolchains/llvm/prebuilt");
        let hosts = dir::names(&prebuilt).unwrap_or_default();
        let mut places = hosts.iter().map(|host| prebuilt.join(host));
        places.find(|place| files::is_file(&place.join("bin/clang")))
    }

    fn program(&self, name: &str) -> Option<Utf8PathBuf> {
        let place = self.toolchain()?.join("bin").join(name);
        files::is_file(&place).then_some(place)
    }
}

/// The value of `Pkg.Revision`.
fn revision(properties: &str) -> Option<&str> {
    let lines = properties.lines().filter_map(|line| line.split_once('='));
    let mut found = lines.filter(|(name, _)| name.trim() == "Pkg.Revision");
    found.next().map(|(_, revision)| revision.trim()).filter(|revision| !revision.is_empty())
}

/// Finds a program that the build needs.
pub(super) fn need(
    given: Surroundings<'_>,
    name: &'static str,
) -> Result<Utf8PathBuf, BindingError> {
    given.program(name).ok_or(BindingError::NoTool(name))
}

/// Asks programs for their versions, each once: what it answered is good until its file changes.
pub(super) struct Versions<'a> {
    pub(super) given: Surroundings<'a>,
    /// Where they are asked: rustup looks for a `rust-toolchain.toml` from here on.
    pub(super) directory: &'a Utf8Path,
    pub(super) notes: &'a mut ToolNotes,
    pub(super) cancel: &'a Cancel,
}

impl Versions<'_> {
    /// The first line that a program prints; `unknown` where it prints none.
    pub(super) fn ask(
        &mut self,
        program: &Utf8Path,
        args: &[&str],
    ) -> Result<String, BindingError> {
        let began = Moment::now();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::Interrupted => BindingError::Interrupted,
            _ => BindingError::Start { program: program.to_owned(), source },
        };
        let mut parts = vec![program.as_str().to_owned(), args.join("\0")];
        let mut settled = true;
        for path in std::iter::once(program.to_owned()).chain(self.behind()) {
            let stamp = file_stamp::of(&path).map_err(failed)?;
            settled &= stamp.is_none_or(|stamp| stamp.is_settled(began));
            parts.push(format!("{path} {stamp:?}"));
        }
        for name in ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "HOME", "JAVA_HOME", "DEVELOPER_DIR"] {
            parts.push(self.given.text(name).unwrap_or_default().to_owned());
        }
        parts.push(self.directory.to_string());
        let parts: Vec<_> = parts.iter().map(String::as_bytes).collect();
        let key = tool_notes::key(&parts);
        if let Some(known) = self.notes.get(key) {
            return Ok(known);
        }
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        let question = Question {
            path: program,
            args: &args,
            variables: self.given.variables,
            directory: self.directory,
            limit: ANSWER_LIMIT,
            patience: PATIENCE,
        };
        let answer = answer::ask(&question, self.cancel).map_err(failed)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown");
        if settled {
            self.notes.remember(key, line);
        }
        Ok(line.to_owned())
    }

    /// Files beside a program that its answer depends on: which Xcode is behind `xcodebuild` and
    /// `xcrun`, rustup's choice of a toolchain and the toolchains it has.
    fn behind(&self) -> Vec<Utf8PathBuf> {
        let mut paths = self.rustup();
        let selected = || files::canonical(Utf8Path::new(SELECTED_XCODE)).ok();
        let developer = self.given.path("DEVELOPER_DIR").or_else(selected);
        let developer = developer.unwrap_or_else(|| DEFAULT_XCODE.into());
        paths.push(developer.join("Contents/version.plist"));
        paths.push(files::parent(&developer).join("version.plist"));
        paths
    }

    fn rustup(&self) -> Vec<Utf8PathBuf> {
        let home = self.given.path("RUSTUP_HOME");
        let home = home.or_else(|| Some(self.given.path("HOME")?.join(".rustup")));
        let Some(home) = home else { return Vec::new() };
        let hashes = home.join("update-hashes");
        let names = dir::names(&hashes).unwrap_or_default();
        let mut paths = vec![home.join("settings.toml"), home.join("toolchains")];
        paths.extend(names.iter().map(|name| hashes.join(name)));
        paths.extend(
            ["rust-toolchain.toml", "rust-toolchain"].map(|name| self.directory.join(name)),
        );
        paths
    }
}

/// The version of the JDK: what `$JAVA_HOME/release` says, else `javac`.
pub(super) fn jdk(versions: &mut Versions<'_>) -> Result<String, BindingError> {
    if let Some(home) = versions.given.path("JAVA_HOME") {
        let release = files::read_at_most(&home.join("release"), ANSWER_LIMIT).ok().flatten();
        let text = String::from_utf8_lossy(&release.unwrap_or_default()).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="));
        if let Some(version) = version {
            return Ok(version.trim_matches('"').to_owned());
        }
    }
    match versions.given.program("javac") {
        Some(javac) => versions.ask(&javac, &["-version"]),
        None => Ok("none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::revision;

    #[test]
    fn the_revision_is_found_among_other_properties() {
        let text = "Pkg.Desc = Android NDK\nPkg.Revision = 27.0.11718014\nPkg.BaseRevision = 1\n";
        assert_eq!(revision(text), Some("27.0.11718014"));
        assert_eq!(revision("Pkg.Revision =\n"), None);
        assert_eq!(revision(""), None);
    }
}
