//! Logs of programs that failed: a few of them are kept, the last ones.

use camino::{Utf8Path, Utf8PathBuf};

use super::files::TreeKind;
use super::{atomic, clock, dir, files, open};

/// Where they are in the cache directory.
pub const DIR: &str = "logs";

/// How many are kept.
const KEPT: usize = 20;

/// The log of a program that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// The file.
    pub path: Utf8PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written, in seconds since 1970.
    pub written: u64,
}

/// Moves a log to `<cache-dir>/logs/<time>-<name>.log`; gives its new path, or none if it cannot
/// be kept. Of the name, what fits no file name is replaced.
pub fn keep(log: &Utf8Path, cache_dir: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    let logs = cache_dir.join(DIR);
    files::create_dir_all(&logs).ok()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST).collect();
    let time = timestamp(clock::seconds_since_1970());
    let path = (1..100)
        .map(|n| match n {
            1 => logs.join(format!("{time}-{name}.log")),
            n => logs.join(format!("{time}-{name}.{n}.log")),
        })
        .find(|path| !path.exists())?;
    atomic::publish(log, &path).ok()?;
    let names = dir::names(&logs).unwrap_or_default();
    // Names begin with their time: the first ones are the oldest.
    for old in names.iter().take(names.len().saturating_sub(KEPT)) {
        let _ = files::remove_file(&logs.join(old));
    }
    Some(path)
}

/// All that are kept.
pub fn all(cache_dir: &Utf8Path) -> Vec<KeptLog> {
    let logs = cache_dir.join(DIR);
    let names = dir::names(&logs).unwrap_or_default();
    let paths = names.iter().filter(|name| name.ends_with(".log")).map(|name| logs.join(name));
    paths
        .filter_map(|path| {
            let TreeKind::File(bytes) = files::kind(&path).ok()?? else { return None };
            let written = files::modified(&path).ok()??;
            Some(KeptLog { path, bytes, written })
        })
        .collect()
}

/// Copies a log into a directory of the user's, under its own name or one like it: nothing there
/// is replaced.
pub fn copy_into(log: &Utf8Path, dir: &Utf8Path) -> std::io::Result<Utf8PathBuf> {
    files::create_dir_all(dir)?;
    let (stem, suffix) = (log.file_stem().unwrap_or("log"), log.extension().unwrap_or("log"));
    let name = |n: usize| match n {
        1 => format!("{stem}.{suffix}"),
        n => format!("{stem}.{n}.{suffix}"),
    };
    let free = (1..1000).map(|n| dir.join(name(n))).find(|path| !path.exists());
    let path = free.ok_or_else(|| std::io::Error::other(format!("`{dir}` is full of logs")))?;
    let mut copy = atomic::AtomicFile::create(&path)?;
    std::io::copy(&mut open::to_read(log)?, &mut copy)?;
    copy.commit()?;
    Ok(path)
}

/// A file name has at most 255 bytes.
const LONGEST: usize = 200;

/// A moment as `20261103T142233Z`, fit for file names and sorting.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is a year's last; 719,468 days lie
    // between 0000-03-01 and 1970-01-01, and 400 years have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{keep, timestamp};

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_704_067_199, "20231231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }

    #[test]
    fn whatever_the_name_the_log_is_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(dir.path()).unwrap();
        for name in ["../../evil", "a/b c", &"x".repeat(999)] {
            fs_err::write(cache.join("log"), name).unwrap();
            let kept = keep(&cache.join("log"), cache, name).unwrap();
            assert_eq!(kept.parent(), Some(&*cache.join("logs")));
            assert_eq!(fs_err::read_to_string(kept).unwrap(), name);
        }
        assert_eq!(keep(&cache.join("absent"), cache, "x"), None);
    }
}
