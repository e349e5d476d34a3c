//! `mlc-package report`: the sizes of packages, in every format, and what is said of bad input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a scene does not have fails the test")]

mod baselines;
mod browser;
mod budgets;
mod driver;
mod formats;
mod hostile;
mod packages;
mod scene;
