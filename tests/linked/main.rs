//! The checks of what was linked: on shared libraries that lld linked of real TVM objects
//! (`tests/data/linked`), and on static ones with TVM's own objects for Apple.

#![cfg(test)]

#[path = "../library/objects.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/library")]
mod objects;

mod apple;
mod shared;

use mlc_package::binding::checks::{LinkCode, LinkProblem};

/// The codes of problems.
fn codes(problems: &[LinkProblem]) -> Vec<LinkCode> {
    problems.iter().map(|problem| problem.code).collect()
}
