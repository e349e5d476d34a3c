//! A machine: a directory with stand-in tools, an NDK, a JDK and a source tree.

use crate::call::Call;
use crate::scene::Scene;

/// As much of a clang as `doctor` asks for: it finds the one mistake of the sample.
const CLANG: &str = r#"
case $1 in --version) echo 'clang version 19.1.7';; esac
for file; do
  case $file in *.cl)
    n=0
    while IFS= read -r line; do
      n=$((n + 1))
      case $line in *nowhere_declared*) echo "$file:$n:1: error: undeclared" >&2; exit 1;; esac
    done <"$file";;
  esac
done
"#;

pub(crate) struct Machine {
    pub(crate) scene: Scene,
}

impl Machine {
    /// One without any tool, but for Python and the compiler.
    pub(crate) fn bare() -> Self {
        let machine = Self { scene: Scene::with_models("android", &[]) };
        fs_err::create_dir_all(machine.scene.root.join("bin")).unwrap();
        machine
    }

    /// One that can build for Android.
    pub(crate) fn good() -> Self {
        let machine = Self::bare();
        machine.tool("cmake", "echo cmake version 3.28.1; echo; echo CMake suite");
        machine.tool("ninja", "echo 1.11.1");
        machine.tool("git", "echo git version 2.47.3");
        machine.tool("clang", CLANG);
        machine.tool(
            "rustup",
            "case $1 in --version) echo 'rustup 1.29.0 (2026-03-05)';; target) echo \
             x86_64-unknown-linux-gnu; echo aarch64-linux-android;; esac",
        );
        machine.ndk("ndk", "28.2.13676358");
        machine.jdk("jdk", "21.0.4");
        machine.sources("mlc-llm");
        machine
    }

    pub(crate) fn tool(&self, name: &str, script: &str) {
        self.program(&format!("bin/{name}"), script);
    }

    pub(crate) fn program(&self, path: &str, script: &str) {
        let path = self.scene.write(path, format!("#!/bin/sh\n{script}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(path, mode).unwrap();
    }

    pub(crate) fn ndk(&self, path: &str, revision: &str) {
        self.scene.write(&format!("{path}/build/cmake/android.toolchain.cmake"), "");
        let properties = format!("Pkg.Desc = Android NDK\nPkg.Revision = {revision}\n");
        self.scene.write(&format!("{path}/source.properties"), properties);
        let bin = format!("{path}/toolchains/llvm/prebuilt/host/bin");
        self.program(&format!("{bin}/aarch64-linux-android24-clang"), "exit 0");
    }

    pub(crate) fn jdk(&self, path: &str, version: &str) {
        self.program(&format!("{path}/bin/javac"), "exit 1");
        self.scene.write(&format!("{path}/include/jni.h"), "");
        self.scene.write(&format!("{path}/release"), format!("JAVA_VERSION=\"{version}\"\n"));
    }

    /// A source tree whose submodules are there.
    pub(crate) fn sources(&self, path: &str) {
        for part in ["android/mlc4j/build.gradle", "ios/prepare_libs.sh", "python/mlc_llm/x.py"] {
            self.scene.write(&format!("{path}/{part}"), "");
        }
        let modules = "[submodule \"3rdparty/tvm\"]\n\tpath = 3rdparty/tvm\n[submodule \
                       \"3rdparty/googletest\"]\n\tpath = 3rdparty/googletest\n";
        self.scene.write(&format!("{path}/.gitmodules"), modules);
        let tvm = format!("{path}/3rdparty/tvm");
        let nested = "[submodule \"3rdparty/tvm-ffi\"]\n\tpath = 3rdparty/tvm-ffi\n";
        self.scene.write(&format!("{tvm}/.gitmodules"), nested);
        self.scene.write(&format!("{tvm}/include/tvm/x.h"), "");
        self.ffi(path, "0.1.13");
    }

    /// The version of the tree's tvm-ffi.
    pub(crate) fn ffi(&self, path: &str, version: &str) {
        let [major, minor, patch] = version.split('.').collect::<Vec<_>>().try_into().unwrap();
        let header = format!(
            "#define TVM_FFI_VERSION_MAJOR {major}\n#define TVM_FFI_VERSION_MINOR {minor}\n\
             #define TVM_FFI_VERSION_PATCH {patch}\n"
        );
        let include = format!("{path}/3rdparty/tvm/3rdparty/tvm-ffi/include/tvm/ffi");
        self.scene.write(&format!("{include}/c_api.h"), header);
    }

    /// `mlc-package doctor`, on this machine.
    pub(crate) fn doctor(&self, more: &[&str]) -> Call<'_> {
        let path = |name: &str| self.scene.root.join(name);
        let mut call = self.scene.call(&[&["doctor"], more].concat()).env("PATH", path("bin"));
        for (variable, name) in
            [("ANDROID_NDK", "ndk"), ("JAVA_HOME", "jdk"), ("MLC_LLM_SOURCE_DIR", "mlc-llm")]
        {
            if path(name).exists() {
                call = call.env(variable, path(name));
            }
        }
        call
    }

    /// What was said but for disks and memory, of which each machine has its own, and what helps
    /// where it has too little.
    pub(crate) fn shown(run: &crate::call::Run<'_>) -> String {
        let shown = run.shown();
        let mut of_machine = false;
        let kept = shown.lines().filter(|line| {
            let is_help = line.trim_start().starts_with("help: ");
            of_machine = match is_help {
                true => of_machine,
                false => line.contains("  disk  ") || line.contains("  memory  "),
            };
            !of_machine
        });
        kept.collect::<Vec<_>>().join("\n")
    }
}
