//! The set of tools that belongs together: `toolchain.toml`, which the images and the action are
//! made of too. Remedies name its versions.

use std::sync::LazyLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../toolchain.toml");

/// The part of the set that remedies name.
#[derive(Debug, Deserialize)]
struct Toolchain {
    wheels: Wheels,
    android: Android,
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
pub(super) fn ndk() -> &'static str {
    &PINNED.android.ndk
}

/// The command that installs the compiler.
pub(super) fn install_wheels() -> String {
    let Wheels { index, mlc_llm_nightly_cpu, mlc_ai_nightly_cpu, apache_tvm_ffi } = &PINNED.wheels;
    format!(
        "python -m pip install --pre -f {index} mlc-llm-nightly-cpu=={mlc_llm_nightly_cpu} \
         mlc-ai-nightly-cpu=={mlc_ai_nightly_cpu} apache-tvm-ffi=={apache_tvm_ffi}"
    )
}

#[cfg(test)]
mod tests {
    use super::{TEXT, install_wheels, ndk};

    #[test]
    fn remedies_name_the_set_that_belongs_together() {
        assert!(TEXT.contains(&format!("\nndk = \"{}\"\n", ndk())));
        let command = install_wheels();
        for pinned in command.split(' ').filter(|word| word.contains("==")) {
            let (name, version) = pinned.split_once("==").unwrap();
            assert!(TEXT.contains(&format!("\n{name} = \"{version}\"\n")), "{pinned}");
        }
        assert_eq!(command.matches("==").count(), 3, "{command}");
    }
}
