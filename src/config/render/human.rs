use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::excerpt::Excerpt;
use super::{Contents, Region, is_denied_warning, summary};
use crate::config::quote::visible;
use crate::config::{Checked, Diagnostic, Severity};
use crate::model::Tone;

/// Writes every problem as a compiler would, in a terminal of `width` columns, and a summary. It
/// is coloured by escape sequences: a writer of `anstream` takes them off where they do not
/// belong.
pub fn human<T: Contents>(
    checked: &Checked<T>,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let renderer = Renderer::styled().term_width(width);
    for diagnostic in checked.diagnostics() {
        writeln!(out, "{}\n", obeyed_by_nobody(&renderer.render(&[group(checked, diagnostic)])))?;
    }
    let style = match checked.value() {
        Some(_) => Tone::Good.style(),
        None => annotate_snippets::renderer::DEFAULT_ERROR_STYLE,
    };
    writeln!(out, "{style}{}{style:#}", summary(checked))?;
    let codes = checked.diagnostics().iter().map(|found| found.code.as_str());
    explaining(codes, width).map_or(Ok(()), |(name, command)| writeln!(out, "{name}: {command}"))
}

/// The command that explains codes, and what to call it: as many of them as fit a line of `width`
/// columns, each once, and never none if there is any. That there are more is said.
pub fn explaining<'a>(
    codes: impl IntoIterator<Item = &'a str>,
    width: usize,
) -> Option<(String, String)> {
    let mut each: Vec<&str> = Vec::new();
    for code in codes {
        if !each.contains(&code) {
            each.push(code);
        }
    }
    let (count, command) = command(&each, "explain", width)?;
    if count == each.len() {
        return Some(("explain".to_owned(), command));
    }
    let name = |count: usize| format!("explain {count} of {} codes", each.len());
    let (count, command) = self::command(&each, &name(count), width)?;
    Some((name(count), command))
}

/// The command for as many codes as fit behind a name, and how many these are.
fn command(codes: &[&str], name: &str, width: usize) -> Option<(usize, String)> {
    let before = "  : ".len() + name.len();
    let (first, more) = codes.split_first()?;
    let (mut count, mut command) = (1, format!("mlc-package explain {first}"));
    for code in more {
        if before + command.len() + 1 + code.len() <= width {
            command = format!("{command} {code}");
            count += 1;
        }
    }
    Some((count, command))
}

/// The renderer shows lines of the file, and leaves in them what steers some terminals (U+009B, for
/// instance) and the old form of GitHub's commands, which its runner finds anywhere in a line.
/// Characters as wide stand for them, so that marks stay below their places.
fn obeyed_by_nobody(rendered: &str) -> String {
    let steers = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    rendered.replace(steers, "\u{fffd}").replace("##[", "##⟦")
}

fn group<'a, T>(checked: &'a Checked<T>, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.as_str());
    let path = visible(checked.path().as_str());
    let mut far = Vec::new();
    let mut group = match Excerpt::of(checked, diagnostic, &mut far) {
        Some(excerpt) => title.element(snippet(path, diagnostic, excerpt)),
        None => title.element(origin(path, checked, diagnostic)),
    };
    for (span, label) in far {
        let region = Region::of(checked, span);
        let place = format!("{label}: line {}, column {}", region.line, region.column);
        group = group.element(Level::NOTE.message(place));
    }
    group = group.element(Level::HELP.message(&diagnostic.help));
    if is_denied_warning(diagnostic) {
        group = group.element(Level::NOTE.message("a warning that `--strict` makes an error"));
    }
    group
}

fn snippet<'a>(
    path: String,
    diagnostic: &'a Diagnostic,
    excerpt: Excerpt<'a>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let label = diagnostic.label.as_deref();
    let related = excerpt
        .related
        .into_iter()
        .map(|(range, label)| AnnotationKind::Context.span(range).label(label));
    Snippet::source(excerpt.text)
        .path(path)
        .line_start(excerpt.first_line)
        .annotation(AnnotationKind::Primary.span(excerpt.primary).label(label))
        .annotations(related)
}

fn origin<'a, T>(path: String, checked: &Checked<T>, diagnostic: &Diagnostic) -> Origin<'a> {
    match diagnostic.span.map(|span| Region::of(checked, span)) {
        Some(region) => Origin::path(path).line(region.line).char_column(region.column),
        None => Origin::path(path),
    }
}
