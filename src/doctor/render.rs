use std::io::{self, Write};

use anstyle::Style;

use super::{Finding, Report, Status, Verdict};
use crate::model::Tone;

/// What was found, for people: a line a thing, its remedy below it, and each device's verdict.
pub fn write_report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let width = report.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in &report.findings {
        write_finding(out, finding, report.device.is_none(), width)?;
    }
    writeln!(out)?;
    report.devices.iter().try_for_each(|verdict| write_verdict(out, verdict))
}

fn write_finding(
    out: &mut dyn Write,
    finding: &Finding,
    names_devices: bool,
    width: usize,
) -> io::Result<()> {
    let style = style(finding.status);
    let status = finding.status.as_str();
    write!(out, "{style}{status:<7}{style:#}  {:<width$}  {}", finding.check, finding.message)?;
    // What every device needs is not worth a word.
    if names_devices && finding.status != Status::Ok && finding.devices.len() < 3 {
        let names: Vec<_> = finding.devices.iter().map(|device| device.as_str()).collect();
        write!(out, " [{}]", names.join(", "))?;
    }
    writeln!(out)?;
    if let Some(help) = &finding.help {
        writeln!(out, "{:11}{:width$}help: {help}", "", "")?;
    }
    Ok(())
}

fn write_verdict(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    let style = style(if verdict.ok { Status::Ok } else { Status::Problem });
    let (count, names) = (verdict.problems.len(), verdict.problems.join(", "));
    let noun = if count == 1 { "problem" } else { "problems" };
    let text = match (count, verdict.compile) {
        (0, _) => "ready".to_owned(),
        (_, false) => format!("{count} {noun}: {names}"),
        (_, true) => format!("{count} {noun} for the binding: {names}; --no-binding is ready"),
    };
    writeln!(out, "{style}{:<7}{style:#}  {text}", verdict.device)
}

fn style(status: Status) -> Style {
    match status {
        Status::Ok => Tone::Good,
        Status::Warning => Tone::Warning,
        Status::Problem => Tone::Bad,
    }
    .style()
}
