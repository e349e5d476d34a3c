//! Whether the kernels of a library compile, each alone, as the phone compiles it when it is first
//! called: clang reads what the phone's compiler would.

mod clang;
mod gate;
mod metal;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::OnceLock;

use camino::Utf8Path;

use clang::Compiled;
pub use clang::{Clang, Finder, NoClang};
pub use gate::{Gate, Verdict};

use super::blob::{DeviceKind, DeviceModule};
use super::printable::printable;
use super::validate::{Code, Problem};
use super::{LibrariesError, ModelLibrary, parallel};
use crate::io::process::Cancel;
use crate::model::KernelsChecked;

/// How many kernels a message names.
const NAMED: usize = 3;
/// The longest line of a kernel that a message repeats, in characters.
const LINE: usize = 120;

/// The source of one kernel.
#[derive(Clone, Debug)]
pub struct KernelSource<'a> {
    /// The name that the host calls it by.
    pub name: &'a str,
    /// What runs it.
    pub on: DeviceKind,
    /// What the phone compiles; none where the module has no kernel of this name.
    text: Option<Cow<'a, str>>,
}

/// A kernel that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKernel {
    /// Its name.
    pub name: String,
    /// Where in its source, and what the line says; none where it is nowhere.
    pub line: Option<(usize, String)>,
    /// What clang says, or what is missing.
    pub why: String,
}

/// The kernels of a library that the phone compiles from source. Those in a metallib are compiled
/// already.
pub fn sources<'a>(library: &'a ModelLibrary<'_>) -> Vec<KernelSource<'a>> {
    let devices = library.blobs().flatten().flat_map(|blob| &blob.devices);
    devices.filter(|device| is_source(device)).flat_map(of_module).collect()
}

fn is_source(device: &DeviceModule<'_>) -> bool {
    match device.kind {
        DeviceKind::OpenCl => device.format == "cl",
        DeviceKind::Metal => device.format == "metal",
    }
}

fn of_module<'a>(device: &DeviceModule<'a>) -> Vec<KernelSource<'a>> {
    let kernels = device.kernels();
    let of_name = |name: &str| {
        let kernel = kernels.iter().find(|kernel| kernel.name == name)?;
        Some(String::from_utf8_lossy(kernel.source))
    };
    // The host looks kernels up by these names.
    let names = device.functions.iter().map(|function| function.key);
    names.map(|name| KernelSource { name, on: device.kind, text: of_name(name) }).collect()
}

/// Has clang compile kernels, on all processors; gives those that do not compile.
///
/// # Errors
/// Clang cannot be started, there is no place for what it reads, or it is clang that breaks: the first
/// kernel at which it hangs or crashes ends the check. Or somebody asked to stop.
pub fn check(
    clang: &Clang,
    sources: &[KernelSource<'_>],
    cancel: &Cancel,
) -> Result<Vec<BadKernel>, LibrariesError> {
    let space = clang.workspace()?;
    let indexed: Vec<_> = sources.iter().enumerate().collect();
    // A process each: more than one is always worth a thread.
    let broke = OnceLock::new();
    let checked = parallel::map(
        &indexed,
        |_| parallel::WORTH_A_THREAD,
        |(index, source)| match cancel.is_cancelled() {
            true => Err(io::ErrorKind::Interrupted.into()),
            false if broke.get().is_some() => Ok(None),
            false => check_one(clang, &space, *index, source, &broke, cancel),
        },
    );
    let bad: io::Result<Vec<_>> = checked.into_iter().collect();
    let bad: Vec<_> = bad?.into_iter().flatten().collect();
    match broke.into_inner() {
        Some(why) => Err(LibrariesError::NoClang(clang.broke(why))),
        None => Ok(bad),
    }
}

fn check_one(
    clang: &Clang,
    space: &clang::Workspace,
    index: usize,
    source: &KernelSource<'_>,
    broke: &OnceLock<String>,
    cancel: &Cancel,
) -> io::Result<Option<BadKernel>> {
    let bad = |line, why: String| BadKernel { name: source.name.to_owned(), line, why };
    let Some(text) = &source.text else {
        let why = "the library calls it, and has no source of that name";
        return Ok(Some(bad(None, why.to_owned())));
    };
    // The library may be a stranger's, and clang would repeat words of any file in what it says.
    if let Some(number) = line_of_include(text) {
        let line = text.lines().nth(number - 1).map(|line| (number, shortened(line)));
        return Ok(Some(bad(line, "it includes a file, and a phone has none".to_owned())));
    }
    let read: Cow<'_, str> = match source.on {
        DeviceKind::OpenCl => Cow::Borrowed(text),
        DeviceKind::Metal => Cow::Owned(metal::translate(text)),
    };
    match clang.compile_kernel(space, index, source.on, &read, cancel)? {
        Compiled::Good => {}
        Compiled::Bad(clang::Complaint { line, why }) => {
            let of_line = |number: usize| Some((number, text.lines().nth(number.checked_sub(1)?)?));
            let line = line.and_then(of_line).map(|(number, line)| (number, shortened(line)));
            return Ok(Some(bad(line, why)));
        }
        Compiled::Broke(why) => {
            broke.get_or_init(|| format!("{why}, at the kernel `{}`", printable(source.name)));
            return Ok(None);
        }
    }
    let why = "its source compiles, and defines no kernel of that name";
    Ok((!defines(text, source.name)).then(|| bad(None, why.to_owned())))
}

/// The first line, from 1, with a word that names another file to a preprocessor. TVM writes one such
/// line, which our own standard library answers.
fn line_of_include(text: &str) -> Option<usize> {
    const WORDS: [&str; 4] = ["include", "include_next", "import", "embed"];
    let names_a_file = |line: &str| {
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        // A word may go on in the next line, also by C's older spelling of the backslash.
        let is_space = |c: char| c.is_whitespace() || c.is_control();
        let after_backslashes = line.split('\\').skip(1);
        let goes_on = line.contains("??/")
            || after_backslashes.into_iter().any(|after| !after.starts_with(|c| !is_space(c)));
        line.trim() != "#include <metal_stdlib>"
            && (goes_on || words.any(|word| WORDS.contains(&word)))
    };
    text.lines().position(names_a_file).map(|index| index + 1)
}

/// Whether a source has `void NAME(…) {`, and not only a declaration.
fn defines(text: &str, name: &str) -> bool {
    let head = format!("void {name}(");
    text.match_indices(&head).any(|(at, _)| {
        let mut depth = 1_usize;
        let after = text.get(at + head.len()..).unwrap_or_default();
        let end = after.find(|c| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let after = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
        after.trim_start().starts_with('{')
    })
}

fn shortened(line: &str) -> String {
    let line = line.trim();
    let mut shown: String = line.chars().take(LINE).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

/// What is remembered of kernels that all compile.
pub fn note(clang: &Clang, sources: &[KernelSource<'_>]) -> KernelsChecked {
    KernelsChecked { clang: clang.version.clone(), count: sources.len() as u64 }
}

/// Bad kernels as a problem of their library; none where there are none.
pub fn problem(path: &Utf8Path, of: usize, bad: &[BadKernel]) -> Option<Problem> {
    let (first, more) = bad.split_first()?;
    let mut message = match more.len() {
        0 => format!("1 of its {of} kernels does not compile: {first}"),
        _ => format!("{} of its {of} kernels do not compile: {first}", bad.len()),
    };
    for kernel in more.iter().take(NAMED - 1) {
        message += &format!("; {kernel}");
    }
    match bad.len().saturating_sub(NAMED) {
        0 => {}
        1 => message += "; and 1 more",
        more => message += &format!("; and {more} more"),
    }
    Some(Problem {
        code: Code::BadKernel,
        path: path.to_owned(),
        message,
        help:
            "the phone compiles them when they are first called, and the app ends there: compile \
               the library with another MLC LLM or TVM, or leave the check out with \
               `--check-kernels never`"
                .to_owned(),
    })
}

impl BadKernel {
    /// What is wrong, and where.
    pub fn what(&self) -> String {
        match &self.line {
            Some((number, line)) => {
                format!("line {number}: {} (`{}`)", printable(&self.why), printable(line))
            }
            None => printable(&self.why).into_owned(),
        }
    }
}

impl fmt::Display for BadKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_line = if self.line.is_some() { "" } else { ":" };
        write!(f, "`{}`{of_line} {}", printable(&self.name), self.what())
    }
}

#[cfg(test)]
mod tests {
    use super::{BadKernel, defines, line_of_include, problem};

    #[test]
    fn a_declaration_defines_nothing() {
        assert!(defines("__kernel void f(int a, uint3 b [[x(1)]]) {\n}", "f"));
        assert!(defines("void f(int a);\nkernel void f(int a)\n{", "f"));
        assert!(!defines("__kernel void f(int a);\n__kernel void g(int a) {", "f"));
        assert!(!defines("void f(int a", "f"));
    }

    #[test]
    fn nothing_but_metals_library_is_included() {
        for good in [
            "#include <metal_stdlib>\nusing namespace metal;\nkernel void includes() {}",
            "void input_embeds_ptr(int important); // #pragma OPENCL EXTENSION",
        ] {
            assert_eq!(line_of_include(good), None, "{good}");
        }
        for (bad, line) in [
            ("#include \"/etc/passwd\"", 1),
            ("int a;\n # /* x */ include </etc/passwd>", 2),
            ("#\n%:import \"x\"", 2),
            ("#include <metal_stdlib> // and\n", 1),
            ("#inc\\\nlude \"x\"", 1),
            ("int a;\n#inc\\ \nlude \"x\"", 2),
            ("#inc\\\rlude \"x\"", 1),
        ] {
            assert_eq!(line_of_include(bad), Some(line), "{bad}");
        }
    }

    #[test]
    fn a_message_names_a_few_and_counts_the_rest() {
        let bad: Vec<_> = (1..=5)
            .map(|n| BadKernel {
                name: format!("k{n}"),
                line: (n < 3).then(|| (n, "x = y;".to_owned())),
                why: "use of undeclared identifier 'y'".to_owned(),
            })
            .collect();
        let said = |n: usize| problem("lib.tar".into(), 9, &bad[..n]).map(|it| it.message);
        assert_eq!(said(0), None);
        assert_eq!(
            said(1).unwrap(),
            "1 of its 9 kernels does not compile: `k1` line 1: use of undeclared identifier 'y' \
             (`x = y;`)"
        );
        let message = said(5).unwrap();
        assert!(message.starts_with("5 of its 9 kernels do not compile: `k1` line 1: "));
        assert!(message.ends_with("; `k3`: use of undeclared identifier 'y'; and 2 more"));
    }
}
