use std::io::{self, Write};

use camino::Utf8Path;

use super::{Cell, Heading, count, write_table};
use crate::manifest::{
    BindingOrigin, BindingRecord, LibraryOrigin, LibraryRecord, Manifest, ModelRecord,
};
use crate::model::{ByteSize, Tone, total};

/// What a build made, for people: the package's sizes, a row a model.
pub fn write_summary(
    out: &mut dyn Write,
    manifest: &Manifest,
    dist: &Utf8Path,
    width: Option<usize>,
) -> io::Result<()> {
    let (compiled, cached) = (manifest.compiled(), manifest.cache_hits());
    let prepared = manifest.libraries.len() - compiled - cached;
    let mut how = vec![format!("{compiled} compiled"), format!("{cached} cached")];
    if prepared > 0 {
        how.push(format!("{prepared} prepared"));
    }
    writeln!(
        out,
        "{}: {} for {}, {} ({})",
        Tone::Good.paint(dist.as_str()),
        count(manifest.models.len(), "model", "models"),
        manifest.device,
        count(manifest.libraries.len(), "library", "libraries"),
        how.join(", ")
    )?;
    writeln!(out)?;
    if !manifest.models.is_empty() {
        write_models(out, manifest, width)?;
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

fn write_models(out: &mut dyn Write, manifest: &Manifest, width: Option<usize>) -> io::Result<()> {
    let bundles = manifest.models.iter().any(|model| model.bundled);
    let downloads = manifest.models.iter().any(|model| !model.bundled);
    let mut headings = vec![Heading::text("model")];
    headings.extend(downloads.then_some(Heading::number("download")));
    headings.extend(bundles.then_some(Heading::number("bundled")));
    headings.extend([
        Heading::number("linked").optional(2),
        Heading::number("kernels").optional(3),
        Heading::number("host code").optional(4),
        Heading::number("RAM needed"),
        Heading::number("RAM declared").optional(1),
    ]);
    let rows = manifest.models.iter().map(|model| row(manifest, model, downloads, bundles));
    write_table(out, width, &headings, rows)
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

fn row(manifest: &Manifest, model: &ModelRecord, downloads: bool, bundles: bool) -> Vec<Cell> {
    let library = manifest.libraries.iter().find(|library| library.model_lib == model.model_lib);
    let of_library = |bytes: fn(&LibraryRecord) -> u64| {
        library.map_or("?".into(), |library| ByteSize(bytes(library)).to_string())
    };
    let size = |is_here: bool| match is_here {
        true => ByteSize(model.sizes.total()).to_string(),
        false => "–".to_owned(),
    };
    let needed = match model.memory {
        Some(memory) => ByteSize(memory.needed()).to_string(),
        None => "unknown".into(),
    };
    let too_little =
        model.memory.is_some_and(|memory| memory.needed() > model.estimated_vram_bytes);
    let declared = ByteSize(model.estimated_vram_bytes).to_string();
    let mut cells = vec![model.model_id.to_string()];
    cells.extend(downloads.then(|| size(!model.bundled)));
    cells.extend(bundles.then(|| size(model.bundled)));
    cells.extend([
        of_library(|library| library.sizes.archive),
        of_library(|library| library.sizes.kernels),
        of_library(|library| library.sizes.host_code),
        needed,
    ]);
    let mut cells: Vec<_> = cells.into_iter().map(Cell::from).collect();
    cells.push(match too_little {
        true => Cell::in_tone(Tone::Warning, &declared),
        false => declared.into(),
    });
    cells
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
