use camino::Utf8Path;

use crate::error::Error;
use crate::io::files;

/// The directory that somebody stands in.
pub(super) const HERE: (&str, &str) = ("the working directory", ".");

/// An output is swapped in whole: a directory with something in it that must stay where it is
/// would be another one afterwards. `what` has the names of such things and where they are.
pub(super) fn refuse_occupied<P: AsRef<Utf8Path>>(
    output: &Utf8Path,
    what: &[(&str, P)],
) -> Result<(), Error> {
    // What is not there holds nothing.
    let Ok(canonical) = files::canonical(if output == "" { ".".into() } else { output }) else {
        return Ok(());
    };
    for (what, dir) in what {
        if files::canonical(dir.as_ref()).is_ok_and(|dir| dir.starts_with(&canonical)) {
            return Err(Error::usage(
                format!("--output {output}: {what} is in this directory"),
                "name one that holds the package alone, `dist` for instance",
            ));
        }
    }
    Ok(())
}
