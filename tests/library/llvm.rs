//! LLVM's tools: what our archives are held against.

use std::path::Path;

use assert_cmd::Command;

/// A tool of LLVM by its plain name, or with a version as Debian installs it.
pub(crate) fn tool(name: &str) -> Command {
    let versions = (11..=30).rev().map(|version| format!("{name}-{version}"));
    let found = std::iter::once(name.to_owned()).chain(versions).find_map(|n| which::which(n).ok());
    let Some(path) = found else {
        panic!("`{name}` is not on PATH: scripts/setup-tools.sh installs LLVM's tools");
    };
    Command::new(path)
}

/// `llvm-ar` on files of these names, in a new directory.
pub(crate) fn archive(format: &str, members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for (name, data) in members {
        fs_err::write(dir.path().join(name), data).unwrap();
    }
    let mut ar = tool("llvm-ar");
    ar.current_dir(dir.path()).arg(format!("--format={format}")).args(["rcsD", "out.a"]);
    ar.args(members.iter().map(|(name, _)| name)).assert().success();
    fs_err::read(dir.path().join("out.a")).unwrap()
}

/// An archive's members, as another reader takes them out.
pub(crate) fn members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let file = object::read::archive::ArchiveFile::parse(archive).unwrap();
    let member = |member: object::Result<object::read::archive::ArchiveMember<'_>>| {
        let member = member.unwrap();
        let name = String::from_utf8(member.name().to_vec()).unwrap();
        (name, member.data(archive).unwrap().to_vec())
    };
    file.members().map(member).collect()
}

/// What `llvm-objdump` says of an object: code, relocations, symbols; without the line that
/// names the file.
pub(crate) fn dump(name: &str, object: &[u8], arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join(name), object).unwrap();
    let output = tool("llvm-objdump").args(arguments).arg(name).current_dir(dir.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The global symbols that `llvm-nm` lists: its member, its name and whether it is defined.
pub(crate) fn global_symbols(archive: &Path) -> Vec<(String, String, bool)> {
    let mut nm = tool("llvm-nm");
    let output = nm.args(["-g", "--no-sort", "--print-file-name"]).arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let symbol = |line: &str| {
        // `path/out.a:member.o: 0000000000000000 T name`
        let (file, fields) = line.rsplit_once(": ").unwrap();
        let member = file.rsplit(':').next().unwrap().to_owned();
        let mut fields = fields.split_whitespace().rev();
        let name = fields.next().unwrap().to_owned();
        (member, name, !matches!(fields.next().unwrap(), "U" | "w" | "v"))
    };
    text.lines().map(symbol).collect()
}
