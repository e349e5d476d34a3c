use super::{Machine, programs};
use crate::doctor::facts::Xcode;
use crate::io::cancel::Cancel;

/// Xcode by its own tools, asked at once: `xcodebuild` takes a second.
pub(super) fn xcode(machine: &Machine<'_>, cancel: &Cancel) -> Xcode {
    let ask = |name: &str, args: &[&str]| {
        programs::ask(machine, &programs::find(machine, name)?, args, cancel)
    };
    std::thread::scope(|scope| {
        let version = scope.spawn(move || ask("xcodebuild", &["-version"]));
        let sdk = scope.spawn(move || ask("xcrun", &["--sdk", "iphoneos", "--show-sdk-path"]));
        // It is found also where the toolchain behind it is not: it has to run.
        let metal = scope.spawn(move || ask("xcrun", &["metal", "--version"]));
        let developer_dir = ask("xcode-select", &["--print-path"]);
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Option<String>>| {
            thread.join().ok().flatten()
        };
        Xcode {
            developer_dir: developer_dir.as_deref().and_then(programs::first_line),
            version: joined(version).as_deref().and_then(programs::first_line),
            has_iphone_sdk: joined(sdk).is_some(),
            metal_runs: joined(metal).is_some(),
        }
    })
}
