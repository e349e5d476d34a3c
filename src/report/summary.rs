use std::io::{self, Write};

use camino::Utf8Path;

use super::{count, write_table};
use crate::manifest::{
    BindingOrigin, BindingRecord, LibraryOrigin, LibraryRecord, Manifest, ModelRecord,
};
use crate::model::{ByteSize, total};

/// What a build made, for people: the package's sizes, a row a model.
pub fn write_summary(out: &mut dyn Write, manifest: &Manifest, dist: &Utf8Path) -> io::Result<()> {
    let (compiled, cached) = (manifest.compiled(), manifest.cache_hits());
    let prepared = manifest.libraries.len() - compiled - cached;
    let mut how = vec![format!("{compiled} compiled"), format!("{cached} cached")];
    if prepared > 0 {
        how.push(format!("{prepared} prepared"));
    }
    writeln!(
        out,
        "{dist}: {} for {}, {} ({})",
        count(manifest.models.len(), "model", "models"),
        manifest.device,
        count(manifest.libraries.len(), "library", "libraries"),
        how.join(", ")
    )?;
    writeln!(out)?;
    if !manifest.models.is_empty() {
        write_models(out, manifest)?;
        writeln!(out)?;
    }
    let archive = Utf8Path::new("lib").join(manifest.device.archive_name());
    let bundled: u64 = total(manifest.models.iter().filter(|m| m.bundled).map(|m| m.sizes.total()));
    let download: u64 =
        total(manifest.models.iter().filter(|m| !m.bundled).map(|m| m.sizes.total()));
    let sizes = [
        ("model libraries", manifest.bytes_of(&archive), dist.join(&archive).to_string()),
        ("bundled models", Some(bundled), dist.join("bundle").to_string()),
        ("left to download", Some(download), String::new()),
    ];
    for (what, bytes, place) in sizes {
        if let Some(bytes) = bytes {
            let line = format!("  {what:<17}{:>10}  {place}", ByteSize(bytes));
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    if let Some(binding) = &manifest.binding {
        write_binding(out, binding, dist)?;
    }
    match &manifest.artifact {
        Some(artifact) => {
            let place = dist.join(&artifact.file);
            writeln!(out, "\n  artifact: {}", artifact.name)?;
            writeln!(out, "  {:<17}{:>10}  {place}", artifact.kind, ByteSize(artifact.bytes))
        }
        None => Ok(()),
    }
}

fn write_models(out: &mut dyn Write, manifest: &Manifest) -> io::Result<()> {
    write_table(
        out,
        &[
            "model",
            ">download",
            ">weights",
            ">bundled",
            ">archive",
            ">kernels",
            ">host code",
            ">RAM needed",
            ">RAM declared",
        ],
        manifest.models.iter().map(|model| row(manifest, model)),
    )
}

fn write_binding(out: &mut dyn Write, binding: &BindingRecord, dist: &Utf8Path) -> io::Result<()> {
    let built = match binding.origin {
        BindingOrigin::Built => format!("built in {:.1} s", binding.build_seconds),
        BindingOrigin::Cached => "cached".to_owned(),
    };
    let linked = binding.link_seconds.map(|seconds| format!(", linked in {seconds:.1} s"));
    let linked = linked.unwrap_or_default();
    writeln!(out, "\n  platform binding: {built}{linked}")?;
    for library in &binding.libraries {
        let place = dist.join(&library.name);
        writeln!(out, "  {:<17}{:>10}  {place}", "library", ByteSize(library.bytes))?;
    }
    Ok(())
}

fn row(manifest: &Manifest, model: &ModelRecord) -> Vec<String> {
    let library = manifest.libraries.iter().find(|library| library.model_lib == model.model_lib);
    let of_library = |bytes: fn(&LibraryRecord) -> u64| {
        library.map_or("?".into(), |library| ByteSize(bytes(library)).to_string())
    };
    let sizes = model.sizes;
    let (download, bundled) = if model.bundled { (0, sizes.total()) } else { (sizes.total(), 0) };
    let needed = match model.memory {
        Some(memory) => ByteSize(memory.needed()).to_string(),
        None => "unknown".into(),
    };
    vec![
        model.model_id.to_string(),
        ByteSize(download).to_string(),
        ByteSize(sizes.weights).to_string(),
        ByteSize(bundled).to_string(),
        of_library(|library| library.sizes.archive),
        of_library(|library| library.sizes.kernels),
        of_library(|library| library.sizes.host_code),
        needed,
        ByteSize(model.estimated_vram_bytes).to_string(),
    ]
}

impl std::fmt::Display for LibraryOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Prepared => "prepared",
            Self::Cached => "cached",
            Self::Compiled => "compiled",
        })
    }
}
