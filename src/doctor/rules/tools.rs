use crate::doctor::facts::{Facts, Tool, rust_target};
use crate::doctor::finding::{ALL, ANDROID, APPLE, About, BINDING, COMPILE, Finding};
use crate::doctor::required::{CMAKE_OLDEST, CMAKE_TOO_NEW};
use crate::doctor::version;
use crate::library::kernels::NoClang;
use crate::model::{Device, MacabiArch};

const INSTALL_GIT: &str = "install git: `apt-get install git`, `xcode-select --install`";

pub(super) fn cmake(tool: &Tool) -> Finding {
    let about = About::new("cmake", ALL, BINDING);
    let [major, minor] = CMAKE_OLDEST;
    let install = format!(
        "python -m pip install 'cmake>={major}.{minor},<{CMAKE_TOO_NEW}' (and its directory first \
         on PATH)"
    );
    match tool {
        Tool::Missing => about.problem("no `cmake` is on PATH", install),
        Tool::Silent(path) => about.problem(format!("{path} does not say its version"), install),
        Tool::Found { path, says } => match version::in_line(says).as_deref() {
            Some([found, ..]) if *found >= CMAKE_TOO_NEW => about.problem(
                format!(
                    "{path} is {says}: CMake {CMAKE_TOO_NEW} refuses the CMakeLists.txt of MLC \
                     LLM's dependencies"
                ),
                install,
            ),
            Some(numbers) if numbers < &CMAKE_OLDEST[..] => {
                about.problem(format!("{path} is {says}, older than {major}.{minor}"), install)
            }
            Some(_) => about.ok(format!("{path}, {says}")),
            None => about.warning(format!("{path} says `{says}`, which is not a version"), install),
        },
    }
}

pub(super) fn ninja(tool: &Tool) -> Finding {
    let about = About::new("ninja", ALL, BINDING);
    match tool {
        Tool::Found { path, says } => about.ok(format!("{path}, {says}")),
        Tool::Silent(path) => {
            about.warning(format!("{path} does not run"), "python -m pip install -U ninja")
        }
        Tool::Missing => about.warning(
            "no `ninja` is on PATH: CMake takes make, which is slower",
            "python -m pip install ninja",
        ),
    }
}

pub(super) fn git(tool: &Tool) -> Finding {
    let about = About::new("git", ALL, BINDING);
    match tool {
        Tool::Found { path, says } => about.ok(format!("{path}, {says} (git-lfs is not needed)")),
        Tool::Silent(path) => about.warning(format!("{path} does not run"), INSTALL_GIT),
        Tool::Missing => about.warning(
            "no `git` is on PATH: the sources' commit and submodules cannot be told or updated",
            INSTALL_GIT,
        ),
    }
}

pub(super) fn rustup(tool: &Tool) -> Finding {
    let about = About::new("rustup", ALL, BINDING);
    let install = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y";
    match tool {
        Tool::Missing => about.problem(
            "no `rustup` is on PATH: the tokenizers are Rust, and upstream's scripts call it",
            install,
        ),
        Tool::Silent(path) => about.problem(format!("{path} does not run"), install),
        Tool::Found { path, says } => about.ok(format!("{path}, {says}")),
    }
}

/// What compiles kernels before the phone does. Without, they are not looked at.
pub(super) fn clangs(facts: &Facts) -> Vec<Finding> {
    // One clang for all is one line.
    let of = match facts.opencl_clang == facts.metal_clang {
        true => vec![(ALL, &facts.opencl_clang)],
        false => vec![(ANDROID, &facts.opencl_clang), (APPLE, &facts.metal_clang)],
    };
    let judge = |(devices, found): (_, &Option<Result<String, String>>)| {
        let about = About::new("clang", devices, COMPILE);
        Some(match found.as_ref()? {
            Ok(clang) => about.ok(format!("{clang}: kernels are compiled before they ship")),
            Err(why) => about.warning(
                format!("{why}: kernels are not compiled before they ship"),
                NoClang::HELP,
            ),
        })
    };
    of.into_iter().filter_map(judge).collect()
}

/// The target of each device.
pub(super) fn rust_targets(facts: &Facts, macabi: MacabiArch) -> Vec<Finding> {
    if !matches!(facts.rustup, Tool::Found { .. }) {
        return Vec::new();
    }
    let judge = |device: Device| {
        let devices = match device {
            Device::Android => ANDROID,
            Device::Iphone => &APPLE[..1],
            Device::Macabi => &APPLE[1..],
        };
        let about = About::new("rust-target", devices, BINDING);
        let target = rust_target(device, macabi);
        if facts.rust_targets.iter().any(|installed| installed == target) {
            about.ok(format!("{target} is installed"))
        } else {
            about.warning(
                format!("{target} is not installed: the build will fetch it"),
                format!("rustup target add {target}"),
            )
        }
    };
    [Device::Android, Device::Iphone, Device::Macabi].map(judge).into()
}
