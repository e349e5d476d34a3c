//! The caller of this process: its user, and the limits of what it may take.

/// The numbers of the user and the group that this process runs as; none where the system has none.
pub fn user() -> Option<(u32, u32)> {
    #[cfg(unix)]
    {
        Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()))
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// The limits that a program which we start has too: `as`, `cpu`, `data` and `fsize`, by these names
/// of `ulimit`, with the soft and the hard limit; -1 for none. Only those that are set.
pub fn limits() -> Vec<(&'static str, i64, i64)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, getrlimit};
        let number = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok());
        [
            ("as", Resource::As),
            ("cpu", Resource::Cpu),
            ("data", Resource::Data),
            ("fsize", Resource::Fsize),
        ]
        .into_iter()
        .filter_map(|(name, resource)| {
            let limit = getrlimit(resource);
            let soft = number(limit.current)?;
            Some((name, soft, number(limit.maximum).unwrap_or(-1)))
        })
        .collect()
    }
    #[cfg(not(target_os = "linux"))]
    {
        Vec::new()
    }
}

/// The bytes of memory that the control group of this process may take; none without such a limit.
pub fn memory_limit() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
        limit_of(&groups, std::path::Path::new("/sys/fs/cgroup"))
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

/// The least `memory.max` of a group and those that it is in, of version 2.
#[cfg(target_os = "linux")]
fn limit_of(groups: &str, root: &std::path::Path) -> Option<u64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = root.join(group);
    let above = path.ancestors().take_while(|path| path.starts_with(root));
    let limit = |path: &std::path::Path| {
        fs_err::read_to_string(path.join("memory.max")).ok()?.trim().parse::<u64>().ok()
    };
    above.filter_map(limit).min()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path).join("memory.max");
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        let of = |groups: &str| super::limit_of(groups, dir.path());
        assert_eq!(of("0::/user/job\n"), None);
        write("user/job", "max\n");
        write("user", "2048\n");
        assert_eq!(of("12:cpu:/x\n0::/user/job\n"), Some(2048));
        write("user/job", "1024\n");
        assert_eq!(of("0::/user/job\n"), Some(1024));
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of("3:memory:/x\n"), None);
    }

    #[test]
    fn who_we_are_is_known() {
        assert!(super::user().is_some());
        assert!(super::limits().iter().all(|(_, soft, hard)| *soft >= 0 && *hard >= -1));
    }
}
