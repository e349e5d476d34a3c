use std::io::{self, Write};

use super::{Cell, Heading, count, write_table};
use crate::model::{Metal, ModelSource, Tone, verdict};
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
        Tone::Heading.paint(plan.device.as_str()),
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
                let of_library = library.map(|library| origin(library, plan));
                let (fingerprint, status) = of_library.map_or_else(Default::default, |origin| {
                    (origin.fingerprint, Cell::verdict(origin.tone, &origin.status))
                });
                let bundled = match (&model.bundle, &model.conversion) {
                    (Some(bundle), Some(conversion)) => converted(bundle, conversion),
                    (Some(bundle), None) => bundled(bundle),
                    (None, _) => "no".to_owned(),
                };
                let [model_id, model_lib] =
                    [model.model_id.to_string(), model.model_lib.to_string()];
                vec![model_id.into(), model_lib.into(), fingerprint.into(), status, bundled.into()]
            }),
        )?;
    }
    for library in plan.libraries.iter().filter(|library| library.models.is_empty()) {
        let status = origin(library, plan).status;
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
    let tone = match &binding.state {
        BindingState::Hit => Tone::Good,
        BindingState::Miss { .. } => Tone::Warning,
        BindingState::Impossible { .. } => Tone::Bad,
    };
    let state = binding.state.to_string();
    let (verdict, rest) = verdict(&state);
    let verdict = tone.paint(verdict);
    writeln!(out, "\nplatform binding: {}{verdict}{rest}", short.unwrap_or_default())?;
    if let BindingState::Impossible { help: Some(help), .. } = &binding.state {
        writeln!(out, "  help: {help}")?;
    }
    match &binding.build_dir {
        Some(build_dir) => writeln!(out, "  built in {build_dir}"),
        None => Ok(()),
    }
}

/// Where a library comes from, as a table shows it.
struct ShownOrigin {
    fingerprint: String,
    status: String,
    tone: Tone,
}

fn origin(library: &PlannedLibrary, plan: &Plan) -> ShownOrigin {
    let (fingerprint, cached) = match &library.origin {
        Origin::Prepared { path } => {
            let status = format!("prepared: {path}");
            return ShownOrigin { fingerprint: String::new(), status, tone: Tone::Good };
        }
        Origin::Compiled { fingerprint, cached, .. } => (fingerprint.short(), cached),
    };
    let (tone, status) = match (plan.refused.contains(&library.model_lib), cached) {
        (false, Cached::Hit) => (Tone::Good, cached.to_string()),
        (false, Cached::Miss { .. }) => (Tone::Warning, cached.to_string()),
        (true, Cached::Hit) => {
            (Tone::Bad, "refused: cached, which the policy leaves out".to_owned())
        }
        (true, Cached::Miss { reason }) => (Tone::Bad, format!("refused: {reason}")),
    };
    ShownOrigin { fingerprint, status, tone }
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
