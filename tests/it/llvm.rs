//! LLVM's tools, the reference for what is in an archive.

use camino::Utf8Path;

/// Runs `llvm-ar` or `llvm-nm`, also where it has a version in its name; gives what it prints.
pub(crate) fn run(tool: &str, arguments: &[&str], file: &Utf8Path) -> String {
    let mut names = vec![tool.to_owned()];
    names.extend((14..=21).rev().map(|version| format!("{tool}-{version}")));
    let found = names.iter().find_map(|name| which::which(name).ok());
    let found = found.unwrap_or_else(|| panic!("{tool} is missing: scripts/setup-tools.sh"));
    let output = assert_cmd::Command::new(found).args(arguments).arg(file).unwrap();
    String::from_utf8(output.stdout).unwrap()
}
