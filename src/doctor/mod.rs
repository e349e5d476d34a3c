//! Whether this machine can build for a device: what is there (`probe`), how good it is
//! (`rules`, pure), and how that is told (`render`).
//!
//! ```text
//! machine -> facts -> findings -> report
//! ```

pub mod examine;
pub mod facts;
mod finding;
mod probe;
mod render;
pub mod required;
mod rules;
mod version;

use serde::Serialize;

pub use finding::{Finding, Phase, Status};
pub use probe::{Machine, Probe, probe};
pub use render::write_report;

use self::facts::Facts;
use crate::exit::Exit;
use crate::model::{Device, MacabiArch, MetalChoice};
use crate::stage_error::{Message, StageError};
use crate::toolchain::ImageCompiler;

/// What a user chose for Apple's devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppleChoices {
    /// The processor of Mac Catalyst.
    pub macabi_arch: MacabiArch,
    /// How kernels are to be stored.
    pub metal: MetalChoice,
}

/// What a build needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// For which device.
    pub device: Device,
    /// What was chosen for Apple's devices.
    pub apple: AppleChoices,
    /// Whether libraries are to be compiled.
    pub compile: bool,
    /// Whether a binding is to be built.
    pub binding: bool,
}

/// Everything about this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this format.
    pub schema: u32,
    /// The device that was asked for; none for all.
    pub device: Option<Device>,
    /// Whether the device can be built for; any of them where none was asked for.
    pub ok: bool,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// Each device, and the checks that stand in its way.
    pub devices: Vec<Verdict>,
    /// The compiler of the image that was asked about, as a file of identities has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<ImageCompiler>,
}

/// Whether a device can be built for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The device.
    pub device: Device,
    /// Whether all of a package can be built.
    pub ok: bool,
    /// Whether its libraries can be compiled: what `--no-binding` needs.
    pub compile: bool,
    /// What stands in its way, by the findings' `check`.
    pub problems: Vec<&'static str>,
}

/// This machine does not have what a build needs, or was not examined. Exit 14.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// What is missing: problems only.
    #[error("this machine lacks what the build needs: {}", checks(.0))]
    Needs(Vec<Finding>),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl StageError for DoctorError {
    fn exit(&self) -> Exit {
        match self {
            Self::Needs(_) => Exit::Assembly,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let told = |finding: &Finding| {
            let text = format!("[{}] {}", finding.check, finding.message);
            Message::new(text, finding.help.clone())
        };
        match self {
            Self::Needs(findings) => findings.iter().map(told).collect(),
            Self::Interrupted => vec![Message::new(self.to_string(), None)],
        }
    }
}

/// Judges what was found, for one device or for all.
pub fn report(facts: &Facts, device: Option<Device>, apple: AppleChoices) -> Report {
    let mut findings = rules::judge(facts, apple);
    if let Some(device) = device {
        findings.retain(|finding| finding.devices.contains(&device));
    }
    let verdict = |device: Device| {
        let stands_in_the_way =
            |f: &&Finding| f.status == Status::Problem && f.devices.contains(&device);
        let found: Vec<_> = findings.iter().filter(stands_in_the_way).collect();
        let compile = !found.iter().any(|finding| finding.phases.contains(&Phase::Compile));
        let mut problems: Vec<_> = found.iter().map(|finding| finding.check).collect();
        problems.dedup();
        Verdict { device, ok: problems.is_empty(), compile, problems }
    };
    let all = [Device::Android, Device::Iphone, Device::Macabi];
    let devices: Vec<_> =
        all.into_iter().filter(|one| device.is_none_or(|d| d == *one)).map(verdict).collect();
    let ok = devices.iter().any(|verdict| verdict.ok);
    Report { schema: 1, device, ok, findings, devices, compiler: None }
}

/// The warnings and problems that a given build would meet: nothing about what it does not use.
pub fn needed_for(facts: &Facts, build: Build) -> Vec<Finding> {
    let mut findings = rules::judge(facts, build.apple);
    findings.retain(|finding| {
        let phase = |phase: &Phase| match phase {
            Phase::Compile => build.compile,
            Phase::Binding => build.binding,
        };
        finding.status != Status::Ok
            && finding.devices.contains(&build.device)
            && finding.phases.iter().any(phase)
    });
    findings
}

/// Parts the findings of [`needed_for`] into warnings, and an error if there is any problem.
pub fn require(findings: Vec<Finding>) -> Result<Vec<Finding>, DoctorError> {
    let (problems, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.status == Status::Problem);
    if problems.is_empty() { Ok(warnings) } else { Err(DoctorError::Needs(problems)) }
}

fn checks(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.check).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
