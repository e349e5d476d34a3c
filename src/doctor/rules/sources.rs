use crate::binding::preflight::Unbuildable;
use crate::doctor::facts::{Abi, Facts, Sources};
use crate::doctor::finding::{ALL, ANDROID, APPLE, About, BINDING, BOTH, Finding};
use crate::model::pinned;

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
        Sources::Unnamed => about.problem(
            "MLC_LLM_SOURCE_DIR is not set: the binding is built from sources, unless --kit names a kit",
            pinned::clone_sources(),
        ),
        Sources::Missing(path) => about.problem(
            format!("MLC_LLM_SOURCE_DIR: there is no directory `{path}`"),
            pinned::clone_sources(),
        ),
        Sources::File(path) => about.problem(
            format!("MLC_LLM_SOURCE_DIR: `{path}` is a file, not a directory"),
            pinned::clone_sources(),
        ),
        Sources::Cache(path) => about.problem(
            format!("MLC_LLM_SOURCE_DIR: `{path}` is MLC LLM's cache, not its sources"),
            pinned::clone_sources(),
        ),
        Sources::Foreign(path) => about.problem(
            format!(
                "MLC_LLM_SOURCE_DIR: `{path}` is not a source tree of MLC LLM (it lacks \
                 android/mlc4j, ios or python/mlc_llm)"
            ),
            pinned::clone_sources(),
        ),
        Sources::Tree { path, not_tvm: Some(tvm), .. } => about.problem(
            format!("TVM_SOURCE_DIR: `{tvm}` is not a source tree of TVM (no include/tvm)"),
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

pub(super) fn unbuildable(unbuildable: &Unbuildable) -> Finding {
    let devices = if unbuildable.device.is_apple() { APPLE } else { ANDROID };
    let about = About::new("source-commit", devices, BINDING);
    about.problem(unbuildable.to_string(), unbuildable.help())
}

pub(super) fn abi(abi: &Abi) -> Finding {
    let about = About::new("abi", ALL, BINDING);
    match abi {
        Abi::Same(message) => about.ok(message),
        Abi::Drift(message) => about.warning(
            message,
            format!(
                "use the wheels and the sources that belong together; what is missing is found \
                 when the binding is linked: `{}`, and `{}`",
                pinned::install_wheels("python"),
                pinned::check_out_sources()
            ),
        ),
        Abi::Broken(message, help) => about.problem(message, help),
    }
}
