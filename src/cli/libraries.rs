//! Where libraries came from: what `build --libs-only` prints, and the outputs of a build's step.

use std::io::{self, Write};

use camino::Utf8Path;

use super::build::BuildFormat;
use super::{Context, outputs, project};
use crate::error::Error;
use crate::manifest::{self, LibraryOrigin, Manifest};
use crate::model::PackageName;
use crate::pipeline::Libraries;
use crate::report;

/// Prints what `build --libs-only` made.
pub(super) fn print(
    libraries: &Libraries,
    format: BuildFormat,
    package: Option<&PackageName>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    match format {
        BuildFormat::Human => {
            project::print_heading(package, context.out)?;
            write_libraries(&mut context.out, libraries)?;
        }
        BuildFormat::Json => project::print_json(libraries, "libraries", package, context.out)?,
        BuildFormat::Github => {
            let origins: Vec<_> =
                libraries.libraries.iter().map(|library| library.origin).collect();
            outputs::write(&counts(&origins), context, |out| write_libraries(out, libraries))?;
        }
    }
    Ok(())
}

/// The outputs of a step that builds; README.md lists them.
pub(super) fn outputs_of(made: &Manifest, dist: &Utf8Path) -> Vec<(&'static str, String)> {
    let origins: Vec<_> = made.libraries.iter().map(|library| library.origin).collect();
    let mut values = counts(&origins);
    values.push(("dist", dist.to_string()));
    values.push(("manifest", dist.join(manifest::FILE_NAME).into_string()));
    values
}

/// The outputs that say where libraries came from.
fn counts(origins: &[LibraryOrigin]) -> Vec<(&'static str, String)> {
    let count = |wanted| origins.iter().filter(|origin| **origin == wanted).count();
    let compiled = count(LibraryOrigin::Compiled);
    vec![
        ("libs-compiled", compiled.to_string()),
        ("libs-cached", count(LibraryOrigin::Cached).to_string()),
        ("cache-hit", (compiled == 0).to_string()),
    ]
}

fn write_libraries(out: &mut dyn Write, libraries: &Libraries) -> io::Result<()> {
    let all = libraries.libraries.len();
    let (compiled, device) = (libraries.compiled(), libraries.device);
    let are = report::count(all, "library", "libraries");
    let cached = all - compiled;
    writeln!(out, "{device}: {are} in the cache ({compiled} compiled now, {cached} before)\n")?;
    report::write_table(
        out,
        &["library", "models", ">size", "origin"],
        libraries.libraries.iter().map(|library| {
            let models: Vec<_> = library.models.iter().map(|id| id.as_str()).collect();
            let origin = match library.origin {
                LibraryOrigin::Compiled => "compiled",
                LibraryOrigin::Cached => "cached",
                LibraryOrigin::Prepared => "prepared",
            };
            let (name, size) = (library.model_lib.to_string(), library.bytes.to_string());
            vec![name, models.join(", "), size, origin.to_owned()]
        }),
    )
}
