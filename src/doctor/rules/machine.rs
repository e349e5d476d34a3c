use crate::doctor::facts::{Facts, Python};
use crate::doctor::finding::{ALL, About, BINDING, BOTH, Finding};
use crate::doctor::required::{BINDING_DISK, LEAST_DISK, MEMORY};
use crate::model::{ByteSize, pinned};

pub(super) fn python(python: &Python) -> Finding {
    let about = About::new("python", ALL, BOTH);
    match python {
        Python::Compiler { path, wheels } => about.ok(format!("{path} has {wheels}")),
        Python::NotPulled { image } => {
            let text = format!("the image `{image}` is not here yet");
            about.warning(text, "it is pulled by the first run that compiles something")
        }
        Python::Unusable { message, help } => {
            about.problem(message, help.clone().unwrap_or_else(|| pinned::install_wheels("python")))
        }
    }
}

pub(super) fn disks(facts: &Facts) -> Vec<Finding> {
    let judge = |(what, path, free): &(&'static str, camino::Utf8PathBuf, u64)| {
        let (about, binding) = (About::new("disk", ALL, BOTH), About::new("disk", ALL, BINDING));
        let text = format!("{} free for {what} ({path})", ByteSize(*free));
        let help = "make room (`mlc-package cache prune`), or choose another place: --cache-dir, \
                    MLC_TEMP_DIR";
        match *free {
            free if free < LEAST_DISK => about.problem(text, help),
            free if free < BINDING_DISK => binding.warning(
                format!("{text}; building a binding may need {}", ByteSize(BINDING_DISK)),
                help,
            ),
            _ => about.ok(text),
        }
    };
    facts.disks.iter().map(judge).collect()
}

pub(super) fn memory(bytes: u64) -> Finding {
    let text = format!("{} of memory", ByteSize(bytes));
    if bytes < MEMORY {
        let text = format!("{text}: compilers may be ended for want of it");
        About::new("memory", ALL, BOTH).warning(text, "compile one library at a time: `--jobs 1`")
    } else {
        About::new("memory", ALL, BOTH).ok(text)
    }
}
