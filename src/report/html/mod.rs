//! The size report as one page that needs nothing else: no network, no other file. A policy in the
//! page forbids it both; what strangers named is text in it, never markup or code.

mod page;
mod rows;
mod tree;

use std::time::SystemTime;

use base64::Engine as _;
use minijinja::Environment;
use sha2::{Digest as _, Sha256};

use self::page::Page;
use self::tree::PackageTrees;
use super::SizeReport;
use crate::exit::Exit;
use crate::stage_error::StageError;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The template does not fit what it is given: a fault of ours. Exit 1.
    #[error("the page of the report could not be made: {0}")]
    Template(#[from] minijinja::Error),
    /// The charts have no JSON: a fault of ours. Exit 1.
    #[error("the charts of the report could not be made: {0}")]
    Json(#[from] serde_json::Error),
}

impl StageError for HtmlError {
    fn exit(&self) -> Exit {
        Exit::Internal
    }
}

/// The report as one HTML page that says when it was made.
pub fn html(report: &SizeReport, made: SystemTime) -> Result<String, HtmlError> {
    let trees: Vec<_> = report.packages.iter().map(PackageTrees::of).collect();
    let page = Page::of(report, made, in_script(&serde_json::to_string(&trees)?));
    let mut environment = Environment::new();
    // Its name says that values are escaped for HTML.
    environment.add_template("page.html", TEMPLATE)?;
    Ok(environment.get_template("page.html")?.render(minijinja::value::Serde(&page))?)
}

/// JSON that does not end the element that it stands in: `</script>` and `<!--` are strings to
/// JSON, but not to a page.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// What the page's policy knows a style or a script by.
fn source_hash(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}
