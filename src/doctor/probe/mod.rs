//! Looking at this machine. Programs are asked at once, each for seconds at most; everything else
//! is read from files, Java's version too, since starting it takes longer than all the rest.

mod android;
mod apple;
mod programs;
mod sources;

use camino::{Utf8Path, Utf8PathBuf};

use super::facts::{Facts, Host, Sources, Tool};
use crate::io::cancel::Cancel;
use crate::io::process::Variables;
use crate::io::{files, memory, space};
use crate::model::Device;

/// What this process was given, and where builds write.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Every variable.
    pub variables: &'a Variables,
    /// The working directory, absolute.
    pub directory: &'a Utf8Path,
    /// The cache.
    pub cache_dir: &'a Utf8Path,
    /// Where temporary files go.
    pub temporary: &'a Utf8Path,
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// One device, or all.
    pub device: Option<Device>,
    /// Whether what only a binding needs is looked at.
    pub binding: bool,
}

impl Probe {
    fn wants_apple(self) -> bool {
        self.device.is_none_or(Device::is_apple)
    }

    fn wants_android(self) -> bool {
        self.device.is_none_or(|device| device == Device::Android)
    }
}

impl Machine<'_> {
    /// A variable that is set, not empty and UTF-8.
    fn text(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(std::ffi::OsStr::new(name))?;
        value.to_str().filter(|text| !text.is_empty())
    }

    /// A variable that names a place, absolute.
    fn path(&self, name: &str) -> Option<Utf8PathBuf> {
        self.text(name).map(|text| self.directory.join(text))
    }
}

/// Looks at the machine. Nothing here fails: what cannot be looked at is not there.
pub fn probe(machine: &Machine<'_>, probe: Probe, cancel: &Cancel) -> Facts {
    let host = Host::current();
    let mut facts = Facts {
        host,
        python: None,
        sources: Sources::Unnamed,
        home_is_sources: sources::home(machine),
        abi: None,
        kits: Vec::new(),
        unbuildable: Vec::new(),
        cmake: Tool::Missing,
        ninja: Tool::Missing,
        git: Tool::Missing,
        rustup: Tool::Missing,
        rust_targets: Vec::new(),
        ndk: super::facts::Ndk::Unnamed(None),
        ndk_compiler: None,
        jdk: super::facts::Jdk::Missing,
        opencl_clang: None,
        metal_clang: None,
        xcode: None,
        disks: disks(machine),
        memory: memory::bytes().or_else(|| memory_of_mac(machine, host, cancel)),
    };
    let ask = |name: &str, args: &[&str]| programs::tool(machine, name, args, cancel);
    std::thread::scope(|scope| {
        let version = ["--version"];
        let cmake = probe.binding.then(|| scope.spawn(move || ask("cmake", &version)));
        let ninja = probe.binding.then(|| scope.spawn(move || ask("ninja", &version)));
        let git = probe.binding.then(|| scope.spawn(move || ask("git", &version)));
        let rustup = probe.binding.then(|| scope.spawn(move || ask("rustup", &version)));
        let targets =
            probe.binding.then(|| scope.spawn(move || programs::rust_targets(machine, cancel)));
        let may_have_xcode =
            || host == Host::MacOs || programs::find(machine, "xcodebuild").is_some();
        let xcode = (probe.wants_apple() && may_have_xcode())
            .then(|| scope.spawn(move || apple::xcode(machine, cancel)));
        if probe.binding {
            facts.sources = sources::sources(machine);
        }
        if probe.wants_android() {
            facts.ndk_compiler = android::ndk_compiler(machine);
            if probe.binding {
                facts.ndk = android::ndk(machine);
                facts.jdk = android::jdk(machine, cancel);
            }
        }
        // A thread of ours that panics has the same fate as our own panic.
        let joined = |thread: Option<std::thread::ScopedJoinHandle<'_, Tool>>| {
            thread.and_then(|thread| thread.join().ok()).unwrap_or(Tool::Missing)
        };
        facts.cmake = joined(cmake);
        facts.ninja = joined(ninja);
        facts.git = joined(git);
        facts.rustup = joined(rustup);
        facts.rust_targets = targets.and_then(|thread| thread.join().ok()).unwrap_or_default();
        facts.xcode = xcode.and_then(|thread| thread.join().ok());
    });
    facts
}

/// macOS tells its memory by a program only.
fn memory_of_mac(machine: &Machine<'_>, host: Host, cancel: &Cancel) -> Option<u64> {
    let sysctl = programs::find(machine, "sysctl").filter(|_| host == Host::MacOs)?;
    programs::ask(machine, &sysctl, &["-n", "hw.memsize"], cancel)?.trim().parse().ok()
}

fn disks(machine: &Machine<'_>) -> Vec<(&'static str, Utf8PathBuf, u64)> {
    let free = |(what, path): (&'static str, &Utf8Path)| {
        space::room(path).ok().flatten().map(|free| (what, path.to_owned(), free))
    };
    let mut disks = vec![("the cache", machine.cache_dir)];
    // One line for one place.
    if !same_place(machine.cache_dir, machine.temporary) {
        disks.push(("temporary files", machine.temporary));
    }
    disks.into_iter().filter_map(free).collect()
}

fn same_place(one: &Utf8Path, other: &Utf8Path) -> bool {
    files::canonical(one).ok().is_some_and(|one| files::canonical(other).is_ok_and(|o| o == one))
}
