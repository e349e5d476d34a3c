//! The machine that the numbers are from, without its name.

/// Processors, their kind and the load while measuring.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kind =
        of_line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = of_line("/proc/meminfo", "MemTotal").unwrap_or_default();
    let load = fs_err::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} x {kind}, memory {memory}, {}, load {load}", std::env::consts::OS)
}

/// What follows the colon in the first line that begins so.
fn of_line(path: &str, begins: &str) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(begins))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
