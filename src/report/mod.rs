//! Manifests and plans as people read them: pure, over any writer. [`SizeReport`] is what two
//! manifests differ in; each format is a renderer of it.

mod budget;
mod columns;
mod harmless;
mod html;
mod human;
mod inputs;
mod markdown;
mod measured;
mod pairing;
mod parts;
mod plan;
mod release;
mod size;
mod summary;
mod table;

pub use budget::{LimitKind, OverLimit, Use};
pub use columns::{Cell, Heading, write_table};
pub use html::{HtmlError, html};
pub use human::write_report;
pub use inputs::InputChange;
pub use markdown::{COMMENT_CHARS, markdown};
pub use measured::Measured;
pub use pairing::{Baseline, pair};
pub use parts::ModelParts;
pub use plan::write_plan;
pub use release::{ReleaseSummary, write_release};
pub use size::{
    ArtifactSize, LibraryParts, LinkedBy, ModelReport, PackageInput, PackageReport, ReportContext,
    SizeReport, Sizes, Status,
};
pub use summary::write_summary;

/// `1 model`, `2 models`.
pub fn count(n: usize, thing: &str, things: &str) -> String {
    format!("{n} {}", if n == 1 { thing } else { things })
}
