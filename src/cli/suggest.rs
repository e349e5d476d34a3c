//! "Did you mean" for the values of options.

use crate::config;
use crate::error::Error;
use crate::model::{Device, Overrides, OverridesError, Target, TargetError, parse_overrides};

/// What to do about a value that is unknown: what was most likely meant, and all that there is.
pub(super) fn suggest(meant: Option<&str>, listed: String) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`? {listed}"),
        None => listed,
    }
}

/// The device of a package.
pub(super) fn device(text: &str) -> Result<Device, String> {
    text.parse().map_err(|why| match config::device_meant(text) {
        Some(meant) => format!("{why}; did you mean `{meant}`?"),
        None => format!("{why}"),
    })
}

/// What a library is compiled for.
pub(super) fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|why| {
        let meant = || config::nearest(text, Target::KNOWN).or_else(|| config::device_meant(text));
        match (&why, meant()) {
            (TargetError::Unknown(name), Some(meant)) => {
                format!("unknown device `{name}`; did you mean `{meant}`?")
            }
            _ => why.to_string(),
        }
    })
}

/// `--overrides`.
pub(super) fn overrides(text: &str) -> Result<Overrides, Error> {
    parse_overrides(text).map_err(|why| Error::Usage {
        help: match &why {
            OverridesError::Name(name) if name == "opt" => {
                Some("it is an option of its own: `compile --opt O3`".to_owned())
            }
            OverridesError::Name(name) => {
                let meant = config::nearest(name, Overrides::NAMES);
                meant.map(|meant| format!("did you mean `{meant}`?"))
            }
            _ => None,
        },
        message: format!("--overrides: {why}"),
    })
}
