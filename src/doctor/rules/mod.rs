//! From facts to findings, one function a thing. No file and no program is touched here.

mod android;
mod apple;
mod kit;
mod machine;
mod sources;
mod tools;

use super::AppleChoices;
use super::facts::Facts;
use super::finding::Finding;

/// Judges everything, in the order in which a build needs it.
pub(super) fn judge(facts: &Facts, apple: AppleChoices) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(facts.python.as_ref().map(machine::python));
    found.extend(sources::sources(facts));
    found.extend(facts.unbuildable.iter().map(sources::unbuildable));
    found.extend(facts.abi.as_ref().map(sources::abi));
    found.push(tools::cmake(&facts.cmake));
    found.push(tools::ninja(&facts.ninja));
    found.push(tools::rustup(&facts.rustup));
    found.extend(tools::rust_targets(facts, apple.macabi_arch));
    found.push(tools::git(&facts.git));
    found.push(android::ndk(&facts.ndk));
    found.push(android::ndk_compiler(facts));
    found.push(android::jdk(&facts.jdk));
    found.extend(apple::apple(facts, apple.metal));
    found.extend(tools::clangs(facts));
    found.extend(machine::disks(facts));
    found.extend(facts.memory.map(machine::memory));
    kit::not_built(&mut found, &facts.kits);
    found.extend(kit::kits(&facts.kits));
    found
}
