//! The set of tools that belongs together: `toolchain.toml`, which the images and the action are
//! made of too. Remedies name its versions: a nightly compiler and sources of another day make
//! libraries that do not link.

use std::sync::LazyLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../toolchain.toml");

/// The part of the set that remedies name.
#[derive(Debug, Deserialize)]
struct Toolchain {
    source: Source,
    wheels: Wheels,
    android: Android,
}

#[derive(Debug, Deserialize)]
struct Source {
    repository: String,
    commit: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Wheels {
    /// Where MLC LLM's wheels are; PyPI has placeholders only.
    index: String,
    mlc_llm_nightly_cpu: String,
    mlc_ai_nightly_cpu: String,
    apache_tvm_ffi: String,
}

#[derive(Debug, Deserialize)]
struct Android {
    ndk: String,
}

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads it")]
static PINNED: LazyLock<Toolchain> =
    LazyLock::new(|| toml::from_str(TEXT).expect("toolchain.toml has what remedies name"));

/// The NDK's revision.
pub fn ndk() -> &'static str {
    &PINNED.android.ndk
}

/// The command that installs the compiler into a Python.
pub fn install_wheels(python: &str) -> String {
    let Wheels { index, mlc_llm_nightly_cpu, mlc_ai_nightly_cpu, apache_tvm_ffi } = &PINNED.wheels;
    format!(
        "{python} -m pip install --pre -f {index} mlc-llm-nightly-cpu=={mlc_llm_nightly_cpu} \
         mlc-ai-nightly-cpu=={mlc_ai_nightly_cpu} apache-tvm-ffi=={apache_tvm_ffi}"
    )
}

/// The commands that clone the sources and name them in `MLC_LLM_SOURCE_DIR`.
pub fn clone_sources() -> String {
    let Source { repository, commit } = &PINNED.source;
    format!(
        "git clone {repository} mlc-llm && git -C mlc-llm checkout {commit} \
         && git -C mlc-llm submodule update --init --recursive && \
         export MLC_LLM_SOURCE_DIR=$PWD/mlc-llm"
    )
}

/// The commands that bring sources that are there to the commit of the set.
pub fn check_out_sources() -> String {
    let commit = &PINNED.source.commit;
    format!(
        "git -C \"$MLC_LLM_SOURCE_DIR\" checkout {commit} && \
         git -C \"$MLC_LLM_SOURCE_DIR\" submodule update --init --recursive"
    )
}

#[cfg(test)]
mod tests {
    use super::{TEXT, check_out_sources, clone_sources, install_wheels, ndk};

    #[test]
    fn remedies_name_the_set_that_belongs_together() {
        assert!(TEXT.contains(&format!("\nndk = \"{}\"\n", ndk())));
        let command = install_wheels("python");
        for pinned in command.split(' ').filter(|word| word.contains("==")) {
            let (name, version) = pinned.split_once("==").unwrap();
            assert!(TEXT.contains(&format!("\n{name} = \"{version}\"\n")), "{pinned}");
        }
        assert_eq!(command.matches("==").count(), 3, "{command}");
        for command in [clone_sources(), check_out_sources()] {
            let commit = command.split(' ').find(|word| word.len() == 40).unwrap();
            assert!(TEXT.contains(&format!("\ncommit = \"{commit}\"\n")), "{command}");
        }
    }
}
