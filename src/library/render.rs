use std::io::{self, Write};

use super::inspect::{InspectedLibrary, Inspection};
use super::printable::printable;
use crate::model::{ByteSize, Metal};

/// How many kernels are shown unless all are asked for.
const KERNELS: usize = 10;

/// What is inside a library file, for people. `all` shows every kernel.
pub fn write_inspection(out: &mut dyn Write, inspection: &Inspection, all: bool) -> io::Result<()> {
    let bytes = ByteSize(inspection.bytes);
    match inspection.device {
        Some(device) => writeln!(out, "{bytes} for {device}")?,
        None => writeln!(out, "{bytes}, not for a phone")?,
    }
    let names: Vec<_> = inspection.objects.iter().map(|object| printable(&object.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (object, name) in inspection.objects.iter().zip(&names) {
        let platform = object.platform.map(|p| format!(" on {p}")).unwrap_or_default();
        writeln!(
            out,
            "  {name:<width$}  {:>10}  {} {}{platform}, code {}, data {}",
            ByteSize(object.bytes),
            object.format,
            object.processor,
            ByteSize(object.code),
            ByteSize(object.data),
        )?;
    }
    for library in &inspection.libraries {
        writeln!(out)?;
        write_library(out, library, all)?;
    }
    for library in &inspection.unreadable {
        writeln!(out, "\n{}", printable(&library.model_lib))?;
        line(out, "unreadable", &printable(&library.why))?;
    }
    if inspection.libraries.is_empty() && inspection.unreadable.is_empty() {
        writeln!(out, "\nno model library of MLC LLM is in it")?;
    }
    Ok(())
}

fn write_library(out: &mut dyn Write, library: &InspectedLibrary, all: bool) -> io::Result<()> {
    let metadata = &library.metadata;
    writeln!(out, "{}", printable(&library.model_lib))?;
    line(
        out,
        "model",
        &format!("{} {}", printable(&metadata.model_type), printable(&metadata.quantization)),
    )?;
    let tokens = |n: Option<u64>| n.filter(|n| *n > 0).map_or("none".into(), |n| n.to_string());
    line(
        out,
        "tokens",
        &format!(
            "context {}, sliding window {}, prefill {}",
            tokens(metadata.context_window_size),
            tokens(metadata.sliding_window_size),
            tokens(metadata.prefill_chunk_size)
        ),
    )?;
    line(out, "parameters", &super::plural(metadata.params.len(), "1 tensor", "tensors"))?;
    let functions: Vec<_> = library.functions.iter().map(|f| printable(&f.name)).collect();
    line(out, "functions", &functions.join(", "))?;
    let modules: Vec<_> = library
        .modules
        .iter()
        .filter(|module| module.bytes > 0)
        .map(|module| format!("{} {}", printable(&module.kind), ByteSize(module.bytes)))
        .collect();
    line(out, "blob", &format!("{}: {}", ByteSize(library.blob), modules.join(", ")))?;
    line(
        out,
        "constants",
        &format!("{}, {} of tensors", library.constants, ByteSize(library.constant_bytes)),
    )?;
    match library.memory {
        Some(memory) => {
            let kv_cache = memory.kv_cache_per_token.saturating_mul(memory.context);
            line(
                out,
                "memory",
                &format!(
                    "{}, as the compiler prints it = parameters {} + temporary {} + KV cache {} \
                     ({} a token)",
                    ByteSize(memory.total),
                    ByteSize(memory.parameters),
                    ByteSize(memory.temporary),
                    ByteSize(kv_cache),
                    ByteSize(memory.kv_cache_per_token),
                ),
            )?;
            let recurrent = match memory.recurrent_state {
                0 => String::new(),
                bytes => format!(" + recurrent state {}", ByteSize(bytes)),
            };
            line(
                out,
                "RAM needed",
                &format!(
                    "{}, what the runtime asks for = the above + workspace {}{recurrent}",
                    ByteSize(memory.runtime),
                    ByteSize(memory.workspace),
                ),
            )?;
        }
        None if library.wants_chat_config => line(
            out,
            "memory",
            "unknown: some shapes are in the model's mlc-chat-config.json (--chat-config)",
        )?,
        None => {
            let why = library.memory_unknown.as_deref().unwrap_or_default();
            line(out, "memory", &format!("unknown: {}", printable(why)))?;
        }
    }
    write_kernels(out, library, all)
}

fn write_kernels(out: &mut dyn Write, library: &InspectedLibrary, all: bool) -> io::Result<()> {
    let mut text = format!("{}, {} of code", library.kernels.len(), ByteSize(library.kernel_bytes));
    if library.repeated_kernel_bytes > 0 {
        let share = 100 * library.repeated_kernel_bytes / library.kernel_bytes.max(1);
        text += &format!(
            ", {share} % of it declarations that are repeated before every kernel ({})",
            ByteSize(library.repeated_kernel_bytes)
        );
    }
    if library.metal == Some(Metal::Source) {
        text += &format!("; {}", Metal::SOURCE_NOTE);
    }
    line(out, "kernels", &text)?;
    let shown = if all { library.kernels.len() } else { KERNELS };
    // Every kernel's name begins with the library's prefix.
    let short =
        |name: &str| printable(name.strip_prefix(&library.prefix).unwrap_or(name)).into_owned();
    for kernel in library.kernels.iter().take(shown) {
        let says =
            kernel.error.as_deref().map(|why| format!("  does not compile: {}", printable(why)));
        let (name, says) = (short(&kernel.name), says.unwrap_or_default());
        writeln!(out, "    {:>10}  {name}{says}", ByteSize(kernel.bytes))?;
    }
    let rest = library.kernels.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let bytes: ByteSize = rest.iter().map(|kernel| ByteSize(kernel.bytes)).sum();
        writeln!(out, "    {bytes:>10}  in {} more (--all)", rest.len())?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, what: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {what:<11} {text}")
}
