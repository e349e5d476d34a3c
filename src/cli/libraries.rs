//! Where libraries came from: what `build --libs-only` prints, and the outputs of a build's step.

use std::collections::BTreeMap;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::build::BuildFormat;
use super::outputs::{self, Values, lines};
use super::{Context, project};
use crate::error::Error;
use crate::manifest::{self, LibraryOrigin, Manifest};
use crate::model::{Fingerprint, PackageName, Tone};
use crate::pipeline::Libraries;
use crate::report::{self, Cell, Heading};

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
            write_libraries(&mut context.out, libraries, context.width)?;
        }
        BuildFormat::Json => project::print_json(libraries, "libraries", package, context.out)?,
        BuildFormat::Github => outputs::show(context, |out| {
            project::print_heading(package, out)?;
            write_libraries(out, libraries, None)
        })?,
    }
    Ok(())
}

/// What was made, of all packages: for the outputs of the step.
#[derive(Debug, Default)]
pub(super) struct StepOutputs {
    packages: Vec<PackageName>,
    dists: Vec<Utf8PathBuf>,
    /// A library that several packages need was compiled for the first of them.
    libraries: BTreeMap<Fingerprint, LibraryOrigin>,
}

impl StepOutputs {
    /// A package was made in `dist`.
    pub(super) fn package(&mut self, name: Option<PackageName>, made: &Manifest, dist: &Utf8Path) {
        let libraries = made.libraries.iter();
        let of_store = libraries.filter_map(|library| Some((library.fingerprint?, library.origin)));
        self.add(name, of_store);
        self.dists.push(dist.to_owned());
    }

    /// Its libraries were.
    pub(super) fn libraries(&mut self, name: Option<PackageName>, made: &Libraries) {
        let libraries = made.libraries.iter();
        let of_store = libraries.map(|library| (library.fingerprint, library.origin));
        self.add(name, of_store);
    }

    fn add(
        &mut self,
        name: Option<PackageName>,
        libraries: impl Iterator<Item = (Fingerprint, LibraryOrigin)>,
    ) {
        self.packages.extend(name);
        for (fingerprint, origin) in libraries {
            let known = self.libraries.entry(fingerprint).or_insert(origin);
            if origin == LibraryOrigin::Compiled {
                *known = origin;
            }
        }
    }

    /// The outputs of a step that builds.
    pub(super) fn outputs(&self) -> Values {
        let count = |wanted| self.libraries.values().filter(|origin| **origin == wanted).count();
        let compiled = count(LibraryOrigin::Compiled);
        let mut values = vec![
            ("packages", lines(&self.packages)),
            ("libs-compiled", compiled.to_string()),
            ("libs-cached", count(LibraryOrigin::Cached).to_string()),
            ("cache-hit", (compiled == 0).to_string()),
        ];
        if !self.dists.is_empty() {
            let manifests = self.dists.iter().map(|dist| dist.join(manifest::FILE_NAME));
            values.extend([("dist", lines(&self.dists)), ("manifest", lines(manifests))]);
        }
        values
    }
}

fn write_libraries(
    out: &mut dyn Write,
    libraries: &Libraries,
    width: Option<usize>,
) -> io::Result<()> {
    let all = libraries.libraries.len();
    let (compiled, device) = (libraries.compiled(), libraries.device);
    let are = report::count(all, "library", "libraries");
    let cached = all - compiled;
    writeln!(out, "{device}: {are} in the cache ({compiled} compiled now, {cached} before)\n")?;
    report::write_table(
        out,
        width,
        &[
            Heading::text("library"),
            Heading::text("models").optional(1),
            Heading::number("size"),
            Heading::text("origin"),
        ],
        libraries.libraries.iter().map(|library| {
            let models: Vec<_> = library.models.iter().map(|id| id.as_str()).collect();
            let origin = Cell::in_tone(Tone::Good, &library.origin.to_string());
            let (name, size) = (library.model_lib.to_string(), library.bytes.to_string());
            vec![name.into(), models.join(", ").into(), size.into(), origin]
        }),
    )
}
