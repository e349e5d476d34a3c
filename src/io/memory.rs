//! How much memory the machine has.

/// The bytes of memory that programs may still take on Linux; none where
/// the system does not say in a file.
pub fn bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let text = fs_err::read_to_string("/proc/meminfo").ok()?;
        available(&text)
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
#[cfg(target_os = "linux")]
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_available_memory_is_read() {
        let text = "MemTotal:       16323928 kB\nMemAvailable:    8000000 kB\n";
        assert_eq!(super::available(text), Some(8_192_000_000));
        assert_eq!(super::available("MemTotal: 1 kB\n"), None);
        assert!(super::bytes().is_some());
    }
}
