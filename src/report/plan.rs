use std::io::{self, Write};

use super::{Heading, count, write_table};
use crate::model::{Metal, ModelSource};
use crate::plan::{
    BindingState, Cached, CachedModel, Estimate, Origin, Plan, PlannedBinding, PlannedBundle,
    PlannedConversion, PlannedEngine, PlannedLibrary,
};

/// What `build` would do, for people.
pub fn write_plan(out: &mut dyn Write, plan: &Plan, width: Option<usize>) -> io::Result<()> {
    let compile = match plan.refused.len() {
        0 => {
            format!("{} to compile{}", plan.misses(), Estimate::shown(plan.estimated_seconds, 1))
        }
        refused => format!("{refused} refused by MLC_JIT_POLICY={}", plan.jit_policy),
    };
    writeln!(
        out,
        "{}: {}, {}, {compile}",
        plan.device,
        count(plan.models.len() + plan.unfetched.len(), "model", "models"),
        count(plan.libraries.len(), "library", "libraries"),
    )?;
    if let Some(compiler) = &plan.compiler {
        write!(
            out,
            "compiler: mlc_llm {}, tvm {}, tvm_ffi {}",
            compiler.mlc_llm, compiler.tvm, compiler.tvm_ffi
        )?;
        for (tool, version) in &compiler.tools {
            write!(out, ", {tool} {version}")?;
        }
        writeln!(out)?;
    }
    if plan.has_metal_source() {
        writeln!(out, "{}", Metal::SOURCE_NOTE)?;
    }
    if !plan.models.is_empty() {
        writeln!(out)?;
        write_table(
            out,
            width,
            &[
                Heading::text("model"),
                Heading::text("library").optional(1),
                Heading::text("fingerprint").optional(2),
                Heading::text("status"),
                Heading::text("bundled"),
            ],
            plan.models.iter().map(|model| {
                let is_its = |library: &&PlannedLibrary| library.model_lib == model.model_lib;
                let library = plan.libraries.iter().find(is_its);
                let (fingerprint, status) =
                    library.map(|library| origin(library, plan)).unwrap_or_default();
                let bundled = match (&model.bundle, &model.conversion) {
                    (Some(bundle), Some(conversion)) => converted(bundle, conversion),
                    (Some(bundle), None) => bundled(bundle),
                    (None, _) => "no".to_owned(),
                };
                let model_lib = model.model_lib.to_string();
                vec![model.model_id.to_string(), model_lib, fingerprint, status, bundled]
            }),
        )?;
    }
    for library in plan.libraries.iter().filter(|library| library.models.is_empty()) {
        let (_, status) = origin(library, plan);
        writeln!(out, "\nno model uses the library {} ({status})", library.model_lib)?;
    }
    if let Some(binding) = &plan.binding {
        write_binding(out, binding)?;
    }
    if let Some(fetch) = plan.fetch.filter(|fetch| fetch.files > 0) {
        let files = count(usize::try_from(fetch.files).unwrap_or_default(), "file", "files");
        writeln!(
            out,
            "\nto download for the bundled models: {} in {files} ({} free)",
            fetch.bytes, fetch.free
        )?;
    }
    if !plan.unfetched.is_empty() {
        writeln!(
            out,
            "\nmodels whose files are not on this machine (their libraries are unknown):"
        )?;
        write_table(
            out,
            width,
            &[Heading::text("model"), Heading::text("from").optional(1), Heading::text("why")],
            plan.unfetched.iter().map(|model| {
                let from = match &model.source {
                    ModelSource::Hub(repo) => match repo.revision() {
                        Some(revision) => format!("{} at {revision}", repo.url()),
                        None => repo.url(),
                    },
                    ModelSource::Local(local) => local.dir.to_string(),
                };
                vec![model.model_id.to_string(), from, model.why.clone()]
            }),
        )?;
    }
    Ok(())
}

fn write_binding(out: &mut dyn Write, binding: &PlannedBinding) -> io::Result<()> {
    let short = binding.fingerprint.map(|fingerprint| format!("{}  ", fingerprint.short()));
    writeln!(out, "\nplatform binding: {}{}", short.unwrap_or_default(), binding.state)?;
    if let BindingState::Impossible { help: Some(help), .. } = &binding.state {
        writeln!(out, "  help: {help}")?;
    }
    match &binding.build_dir {
        Some(build_dir) => writeln!(out, "  built in {build_dir}"),
        None => Ok(()),
    }
}

fn origin(library: &PlannedLibrary, plan: &Plan) -> (String, String) {
    match &library.origin {
        Origin::Prepared { path } => ("".into(), format!("prepared: {path}")),
        Origin::Compiled { fingerprint, cached, .. } => {
            let status = match cached {
                _ if !plan.refused.contains(&library.model_lib) => cached.to_string(),
                Cached::Hit => "refused: cached, which the policy leaves out".to_owned(),
                Cached::Miss { reason } => format!("refused: {reason}"),
            };
            (fingerprint.short(), status)
        }
    }
}

/// A model from a raw checkpoint: its size is known once it has been converted.
fn converted(bundle: &PlannedBundle, conversion: &PlannedConversion) -> String {
    let by = match &conversion.engine {
        PlannedEngine::Native => String::new(),
        PlannedEngine::Mlc { why } => format!(" (python -m mlc_llm: {why})"),
    };
    let to = format!("{}{by}", conversion.what);
    let download = match bundle.to_fetch.0 {
        0 => String::new(),
        _ => format!(", {} to download", bundle.to_fetch),
    };
    match &conversion.cached {
        CachedModel::Hit => format!("{}, converted to {to}", bundled(bundle)),
        CachedModel::Miss { damaged: None } => format!("to convert to {to}{download}"),
        CachedModel::Miss { damaged: Some(why) } => {
            format!("to convert again to {to}{download}: {why}")
        }
    }
}

fn bundled(bundle: &PlannedBundle) -> String {
    let files = count(usize::try_from(bundle.files).unwrap_or_default(), "file", "files");
    match bundle.to_fetch.0 {
        0 => format!("{} in {files}", bundle.bytes),
        _ => format!("{} in {files}, {} to download", bundle.bytes, bundle.to_fetch),
    }
}
