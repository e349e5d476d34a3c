//! What of this machine gets into a library that is compiled for it: its processor and GPU, and
//! the tools that the compiler runs. Read from files: a cached library must cost milliseconds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::{self, Cancel, End, LogLimit, Program};
use crate::io::{digest, dir, files};
use crate::model::{Digest, Target};

/// The most that is read of a file in bytes; `/proc/cpuinfo` of 256 processors has some 400 KiB.
const LIMIT: u64 = 4 << 20;
/// How long a Mac may take to say what its processor is.
const PATIENCE: Duration = Duration::from_secs(10);

/// The processor of this machine, where a library is for it.
pub(super) fn host_processor(
    target: &Target,
    host: Option<&str>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    if !target.is_for_this_host() || host.is_some() {
        return BTreeMap::new();
    }
    let processor = processor(Utf8Path::new("/proc/cpuinfo"), || brand(environment));
    [("host processor".to_owned(), processor)].into()
}

/// What a library depends on besides Python's packages, by name.
pub(super) fn tools(
    target: &Target,
    host: Option<&str>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let mut tools = host_processor(target, host, environment);
    let mut note = |name: &str, what: Option<String>| {
        tools.extend(what.map(|what| (name.to_owned(), what)));
    };
    if target.is_for_this_gpu() && !target.is("cpu") && !target.is("llvm") {
        note("gpu", Some(gpus(Utf8Path::new("/"), || brand(environment))));
    }
    let variable = |name: &str| environment.text(name).map(str::to_owned);
    let first_dir = |names: &[&str], default: &str| {
        let named = names.iter().find_map(|name| environment.text(name));
        environment.directory.join(named.unwrap_or(default))
    };
    if target.may_be("cuda") {
        note("MLC_MULTI_ARCH", variable("MLC_MULTI_ARCH"));
        let cuda = first_dir(&["CUDA_HOME", "CUDA_PATH"], "/usr/local/cuda");
        note("cuda", digest_of(&cuda.join("version.json")));
    }
    if target.may_be("rocm") {
        let rocm = first_dir(&["ROCM_PATH", "ROCM_HOME"], "/opt/rocm");
        note("rocm", first_line(&rocm.join(".info/version")));
    }
    if target.is("webgpu") {
        let sources = environment.text("MLC_LLM_SOURCE_DIR");
        let runtime = sources.map(|sources| wasm_runtime(&environment.directory.join(sources)));
        note("mlc_wasm_runtime.bc", runtime.and_then(|path| digest_of(&path)));
        let emsdk = environment.text("EMSDK").map(|emsdk| environment.directory.join(emsdk));
        note("emsdk", emsdk.and_then(|emsdk| first_line(&emsdk.join("upstream/.emsdk_version"))));
    }
    if target.as_str() == "android:adreno-so" || target.is("mali") {
        note("TVM_NDK_CC", variable("TVM_NDK_CC"));
    }
    tools
}

/// The runtime that upstream links into every WebAssembly library.
fn wasm_runtime(sources: &Utf8Path) -> Utf8PathBuf {
    sources.join("web/dist/wasm/mlc_wasm_runtime.bc")
}

/// The first processor: its name, and a digest of what it can do. On systems without
/// `/proc/cpuinfo`, its architecture and its brand.
fn processor(cpuinfo: &Utf8Path, brand: impl FnOnce() -> Option<String>) -> String {
    let arch = std::env::consts::ARCH;
    let Some(text) = read(cpuinfo) else {
        return brand().map_or_else(|| arch.to_owned(), |brand| format!("{arch} {brand}"));
    };
    let of = |wanted: &[&str]| {
        let lines = text.lines().take_while(|line| !line.trim().is_empty());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let found = fields.filter(|(name, _)| wanted.contains(&name.trim()));
        found.map(|(_, value)| value.trim()).collect::<Vec<_>>().join(" ")
    };
    let name = of(&["model name", "CPU implementer", "CPU part"]);
    let abilities = Digest::of(of(&["flags", "Features"]).as_bytes()).to_hex();
    format!("{arch} {name} ({})", &abilities[..8])
}

/// NVIDIA's by their names, the others by the numbers of their vendor and kind; on a Mac by the
/// processor they are part of.
fn gpus(root: &Utf8Path, brand: impl FnOnce() -> Option<String>) -> String {
    let mut found = Vec::new();
    let nvidia = root.join("proc/driver/nvidia/gpus");
    for gpu in dir::names(&nvidia).unwrap_or_default() {
        let text = read(&nvidia.join(gpu).join("information")).unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"));
        found.extend(model.map(|model| model.trim().to_owned()));
    }
    let drm = root.join("sys/class/drm");
    for card in dir::names(&drm).unwrap_or_default() {
        let device = drm.join(card).join("device");
        let number = |name: &str| first_line(&device.join(name));
        if let (Some(vendor), Some(kind)) = (number("vendor"), number("device")) {
            found.push(format!("{vendor}:{kind}"));
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return brand().unwrap_or_else(|| "none".to_owned());
    }
    found.join(", ")
}

/// What a Mac says its processor is, `Apple M2 Pro` for instance: no file has it.
fn brand(environment: &Environment) -> Option<String> {
    let sysctl = Utf8Path::new("/usr/sbin/sysctl");
    (cfg!(target_os = "macos") && files::is_file(sysctl))
        .then(|| ask(sysctl, environment))
        .flatten()
}

fn ask(sysctl: &Utf8Path, environment: &Environment) -> Option<String> {
    let space = MarkedDir::new_in(&environment.temporary_home(), "mlc-package-").ok()?;
    let log = space.path().join("answer");
    let program = Program {
        path: sysctl,
        args: &["-n", "machdep.cpu.brand_string"].map(OsString::from),
        variables: &environment.variables,
        directory: space.path(),
        log: &log,
        log_limit: LogLimit::default(),
        limit: Some(PATIENCE),
    };
    let ended = process::run(&program, &Cancel::default()).ok()?;
    matches!(ended.how, End::Exit(0)).then(|| first_line(&log)).flatten()
}

fn read(path: &Utf8Path) -> Option<String> {
    let bytes = files::read_at_most(path, LIMIT).ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn first_line(path: &Utf8Path) -> Option<String> {
    let text = read(path)?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.chars().take(200).collect())
}

fn digest_of(path: &Utf8Path) -> Option<String> {
    digest::file(path).ok().map(|(digest, _)| digest.to_hex()[..16].to_owned())
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{Environment, ask, gpus, processor, tools};

    #[test]
    fn a_processor_is_its_name_and_what_it_can_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("cpuinfo");
        let of = |flags: &str| {
            let text = format!(
                "processor\t: 0\nmodel name\t: Fast 9000\nMHz : 1\nflags\t: {flags}\n\nprocessor\t: 1\nmodel name\t: Slow\n"
            );
            fs_err::write(&path, text).unwrap();
            processor(&path, || None)
        };
        let avx = of("sse avx");
        assert!(avx.contains(" Fast 9000 (") && !avx.contains("Slow"), "{avx}");
        assert_ne!(avx, of("sse avx avx512f"));
        let absent = path.join("absent");
        assert_eq!(processor(&absent, || None), std::env::consts::ARCH);
        assert!(processor(&absent, || Some("Apple M2".to_owned())).ends_with(" Apple M2"));
    }

    #[test]
    fn gpus_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(gpus(root, || None), "none");
        assert_eq!(gpus(root, || Some("Apple M2".to_owned())), "Apple M2");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA L4\nIRQ: 1\n");
        write("sys/class/drm/card0/device/vendor", "0x1002\n");
        write("sys/class/drm/card0/device/device", "0x744c\n");
        write("sys/class/drm/renderD128/device/vendor", "0x1002\n");
        write("sys/class/drm/renderD128/device/device", "0x744c\n");
        assert_eq!(gpus(root, || None), "0x1002:0x744c, NVIDIA L4");
    }

    #[cfg(unix)]
    #[test]
    fn a_mac_is_asked_in_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let variables = [("TMPDIR".into(), directory.as_str().into())].into();
        let environment = Environment { variables, directory };
        // `echo -n name` answers with the name that is asked for, and `ls` finds no such file.
        let answer = ask(Utf8Path::new("/bin/echo"), &environment);
        assert_eq!(answer.as_deref(), Some("machdep.cpu.brand_string"));
        assert_eq!(ask(Utf8Path::new("/bin/ls"), &environment), None);
    }

    #[test]
    fn only_what_takes_part_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let runtime = directory.join("src/web/dist/wasm/mlc_wasm_runtime.bc");
        fs_err::create_dir_all(runtime.parent().unwrap()).unwrap();
        fs_err::write(runtime, "one").unwrap();
        let variables =
            [("MLC_MULTI_ARCH", "80,90"), ("MLC_LLM_SOURCE_DIR", "src"), ("CUDA_HOME", ".")];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        let environment = Environment { variables, directory };
        let names = |target: &str, host| {
            let tools = tools(&target.parse().unwrap(), host, &environment);
            tools.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names("android", None), [""; 0]);
        assert_eq!(names("iphone", None), [""; 0]);
        assert_eq!(names("cuda", None), ["MLC_MULTI_ARCH", "gpu", "host processor"]);
        assert_eq!(names("vulkan:generic", Some("x86_64-linux-gnu")), [""; 0]);
        assert_eq!(names("cpu", None), ["host processor"]);
        assert_eq!(names("webgpu", None), ["mlc_wasm_runtime.bc"]);
    }
}
