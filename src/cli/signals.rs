#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::exit::Exit;
use crate::io::cancel::Cancel;

/// So many signals end the run whatever it waits for: a pipe that nobody writes into, for instance.
/// Two come soon after each other from who is in a hurry, while compilers are being ended.
const IMPATIENT: u32 = 3;

/// Has a file that reaches the process's limit be an error that names it, as a full disk is: the
/// signal for it would end us without a word. Programs that we start have it as usual.
#[cfg(unix)]
pub(super) fn survive_limits() {
    let seen = Arc::new(AtomicBool::new(false));
    // Where no handler can be set, it is as it was.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
}

#[cfg(not(unix))]
pub(super) fn survive_limits() {}

/// Has Ctrl-C and SIGTERM ask the run to stop.
pub(super) fn handle(cancel: &Cancel) {
    let (cancel, signals) = (cancel.clone(), AtomicU32::new(0));
    let asked = move || {
        cancel.cancel();
        if signals.fetch_add(1, Ordering::SeqCst) + 1 >= IMPATIENT {
            leave();
        }
    };
    // Without a handler Ctrl-C ends us at once, and the next run sweeps what is left behind.
    let _ = ctrlc::set_handler(asked);
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "what could return from main waits for something that may never come"
)]
fn leave() -> ! {
    std::process::exit(Exit::Interrupted as i32)
}
