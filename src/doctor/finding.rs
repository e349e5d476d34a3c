use serde::Serialize;

use crate::model::Device;

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It may do, or costs something.
    Warning,
    /// A build fails for it.
    Problem,
}

impl Status {
    /// The name, as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// A part of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Compiling model libraries.
    Compile,
    /// Building the platform binding.
    Binding,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, in one word.
    pub check: &'static str,
    /// How good it is.
    pub status: Status,
    /// What was found.
    pub message: String,
    /// What to do about it, to be pasted.
    pub help: Option<String>,
    /// The devices that it is needed for.
    pub devices: Vec<Device>,
    /// The parts of a build that need it.
    pub phases: Vec<Phase>,
}

pub(super) const ALL: &[Device] = &[Device::Android, Device::Iphone, Device::Macabi];
pub(super) const ANDROID: &[Device] = &[Device::Android];
pub(super) const APPLE: &[Device] = &[Device::Iphone, Device::Macabi];
pub(super) const COMPILE: &[Phase] = &[Phase::Compile];
pub(super) const BINDING: &[Phase] = &[Phase::Binding];
pub(super) const BOTH: &[Phase] = &[Phase::Compile, Phase::Binding];

/// What a finding is about; judged by one of its methods.
#[derive(Clone, Copy)]
pub(super) struct About {
    check: &'static str,
    devices: &'static [Device],
    phases: &'static [Phase],
}

impl About {
    pub(super) const fn new(
        check: &'static str,
        devices: &'static [Device],
        phases: &'static [Phase],
    ) -> Self {
        Self { check, devices, phases }
    }

    fn finding(self, status: Status, message: String, help: Option<String>) -> Finding {
        let (devices, phases) = (self.devices.to_vec(), self.phases.to_vec());
        Finding { check: self.check, status, message, help, devices, phases }
    }

    pub(super) fn ok(self, message: impl Into<String>) -> Finding {
        self.finding(Status::Ok, message.into(), None)
    }

    pub(super) fn warning(self, message: impl Into<String>, help: impl Into<String>) -> Finding {
        self.finding(Status::Warning, message.into(), Some(help.into()))
    }

    pub(super) fn problem(self, message: impl Into<String>, help: impl Into<String>) -> Finding {
        self.finding(Status::Problem, message.into(), Some(help.into()))
    }
}
