//! The `mlc-package` command.

fn main() -> std::process::ExitCode {
    mlc_package::cli::main().into()
}
