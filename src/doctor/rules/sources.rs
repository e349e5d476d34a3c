use crate::doctor::facts::{Abi, Facts, Sources};
use crate::doctor::finding::{ALL, About, BINDING, BOTH, Finding};

const CLONE: &str = "git clone --recursive https://github.com/mlc-ai/mlc-llm && export \
                     MLC_LLM_SOURCE_DIR=$PWD/mlc-llm";

pub(super) fn sources(facts: &Facts) -> Vec<Finding> {
    let about = About::new("sources", ALL, BINDING);
    let mut found = Vec::new();
    if let Some(home) = &facts.home_is_sources {
        found.push(About::new("home", ALL, BOTH).warning(
            format!(
                "MLC_LLM_HOME names sources (`{home}`); MLC LLM takes it for its cache today, and \
                 writes into it"
            ),
            format!("unset MLC_LLM_HOME; export MLC_LLM_SOURCE_DIR={home}"),
        ));
    }
    found.push(match &facts.sources {
        Sources::Unnamed => {
            about.problem("MLC_LLM_SOURCE_DIR is not set: the binding is built from sources", CLONE)
        }
        Sources::Missing(path) => {
            about.problem(format!("MLC_LLM_SOURCE_DIR: there is no directory `{path}`"), CLONE)
        }
        Sources::File(path) => {
            about.problem(format!("MLC_LLM_SOURCE_DIR: `{path}` is a file, not a directory"), CLONE)
        }
        Sources::Cache(path) => about.problem(
            format!("MLC_LLM_SOURCE_DIR: `{path}` is MLC LLM's cache, not its sources"),
            CLONE,
        ),
        Sources::Foreign(path) => about.problem(
            format!(
                "MLC_LLM_SOURCE_DIR: `{path}` is no source tree of MLC LLM (it lacks \
                 android/mlc4j, ios or python/mlc_llm)"
            ),
            CLONE,
        ),
        Sources::Tree { path, not_tvm: Some(tvm), .. } => about.problem(
            format!("TVM_SOURCE_DIR: `{tvm}` is no source tree of TVM (no include/tvm)"),
            format!("export TVM_SOURCE_DIR={path}/3rdparty/tvm"),
        ),
        Sources::Tree { path, empty, .. } if !empty.is_empty() => {
            let names: Vec<_> = empty.iter().map(|path| path.as_str()).collect();
            about.problem(
                format!("`{path}` lacks its submodules {}", names.join(", ")),
                format!("git -C {path} submodule update --init --recursive"),
            )
        }
        Sources::Tree { path, .. } => about.ok(format!("{path}, with its submodules")),
    });
    found
}

pub(super) fn abi(abi: &Abi) -> Finding {
    let about = About::new("abi", ALL, BINDING);
    match abi {
        Abi::Same(message) => about.ok(message),
        Abi::Drift(message) => about.warning(
            message,
            "use wheels and sources of about the same day; what is missing is found when the \
             binding is linked",
        ),
        Abi::Broken(message, help) => about.problem(message, help),
    }
}
