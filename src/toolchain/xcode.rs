//! Which Xcode compiles for Apple's devices: its `metal` turns kernels into what the phone
//! runs. Read from files, since `xcodebuild -version` takes a second.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::ToolchainError;
use crate::io::answer::{self, Question};
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::process::{self, Cancel};
use crate::model::{Digest, Metal, MetalChoice};

/// Where `xcode-select --switch` keeps its choice.
const SELECTED: &str = "/var/db/xcode_select_link";
/// Where Xcode is without a choice.
const DEFAULT: &str = "/Applications/Xcode.app/Contents/Developer";

/// How long `xcrun` may take to answer: the first call after an update looks through Xcode.
const PATIENCE: Duration = Duration::from_secs(30);

/// How kernels for Apple's GPUs are stored: as asked for, else compiled where `xcrun metal` runs.
pub(super) fn metal(
    choice: MetalChoice,
    environment: &Environment,
    cancel: &Cancel,
) -> Result<Metal, ToolchainError> {
    match choice {
        MetalChoice::Metallib => Ok(Metal::Metallib),
        MetalChoice::Source => Ok(Metal::Source),
        MetalChoice::Auto => match metal_runs(environment, cancel) {
            Ok(true) => Ok(Metal::Metallib),
            Ok(false) => Ok(Metal::Source),
            Err(_) => Err(ToolchainError::Interrupted),
        },
    }
}

/// Whether `xcrun metal` runs. It is found also where the toolchain behind it is not, as since
/// Xcode 26, and that toolchain comes and goes without a trace in any file that is ours to read:
/// so it is asked.
///
/// # Errors
/// Somebody asked to stop.
fn metal_runs(environment: &Environment, cancel: &Cancel) -> io::Result<bool> {
    let Some(xcrun) =
        process::find_program("xcrun", environment.get("PATH"), &environment.directory)
    else {
        return Ok(false);
    };
    let args = ["metal", "--version"].map(OsString::from);
    let question = Question {
        path: &xcrun,
        args: &args,
        variables: &environment.variables,
        directory: &environment.directory,
        limit: 64 << 10,
        patience: PATIENCE,
    };
    match answer::ask(&question, cancel) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        answer => Ok(matches!(answer, Ok(Some(_)))),
    }
}

/// The version of the active Xcode, `16.2 (16C5032a)`; none where there is none, as on Linux.
pub(super) fn version(environment: &Environment) -> Option<String> {
    let chosen = environment.text("DEVELOPER_DIR").map(|dir| environment.directory.join(dir));
    let selected = || files::canonical(Utf8Path::new(SELECTED)).ok();
    version_at(&chosen.or_else(selected).unwrap_or_else(|| Utf8PathBuf::from(DEFAULT)))
}

/// The version of the Xcode that has this developer directory, or that is this directory:
/// `DEVELOPER_DIR` may be either.
fn version_at(developer_dir: &Utf8Path) -> Option<String> {
    let beside = files::parent(developer_dir).join("version.plist");
    let inside = developer_dir.join("Contents/version.plist");
    let plist = [beside, inside]
        .iter()
        .find_map(|path| files::read_at_most(path, 1 << 20).ok().flatten())?;
    let readable = || {
        let text = std::str::from_utf8(&plist).ok()?;
        let version = plist_string(text, "CFBundleShortVersionString")?;
        let build = plist_string(text, "ProductBuildVersion")?;
        Some(format!("{version} ({build})"))
    };
    // A binary property list: what matters is that another Xcode has another name.
    let digest = || format!("of unknown version ({})", &Digest::of(&plist).to_hex()[..8]);
    Some(readable().unwrap_or_else(digest))
}

/// The string that follows a key in an XML property list. Xcode's hold no entities there.
fn plist_string<'a>(plist: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = plist.split_once(&format!("<key>{key}</key>"))?;
    let (value, _) = after.trim_start().strip_prefix("<string>")?.split_once("</string>")?;
    Some(value.trim())
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{Environment, version};

    const PLIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
	<key>CFBundleShortVersionString</key>
	<string>16.2</string>
	<key>CFBundleVersion</key>
	<string>23507</string>
	<key>ProductBuildVersion</key>
	<string>16C5032a</string>
</dict>
</plist>
"#;

    #[test]
    fn the_active_developer_directory_names_its_xcode() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let contents = root.join("Xcode.app/Contents");
        fs_err::create_dir_all(contents.join("Developer")).unwrap();
        let with = |developer_dir: &str| Environment {
            variables: [("DEVELOPER_DIR".into(), developer_dir.into())].into(),
            directory: root.to_owned(),
        };
        assert_eq!(version(&with("Xcode.app/Contents/Developer")), None);
        fs_err::write(contents.join("version.plist"), PLIST).unwrap();
        for developer_dir in ["Xcode.app/Contents/Developer", "Xcode.app"] {
            assert_eq!(version(&with(developer_dir)).unwrap(), "16.2 (16C5032a)");
        }
        fs_err::write(contents.join("version.plist"), b"bplist00\xd1\x01\x02").unwrap();
        let binary = version(&with("Xcode.app")).unwrap();
        assert!(binary.starts_with("of unknown version ("), "{binary}");
    }
}
