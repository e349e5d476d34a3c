//! `PrivacyInfo.xcprivacy`: what Apple has every SDK declare of itself.
//!
//! A package tracks nobody and collects nothing: models run on the phone. What is left are system
//! calls that Apple wants a reason for, since they could tell phones apart. Those that the libraries
//! call are found by their undefined symbols. Categories, functions and reasons: Apple's
//! documentation of "required reason API".

use std::collections::BTreeSet;

/// A category of system calls: its name, the reason, and the functions by their names in C.
struct Category {
    name: &'static str,
    /// Apple's code of the reason.
    reason: &'static str,
    functions: &'static [&'static str],
}

const CATEGORIES: [Category; 4] = [
    Category {
        name: "NSPrivacyAccessedAPICategoryDiskSpace",
        // Whether there is room for files that are written.
        reason: "E174.1",
        functions: &["statfs", "statvfs", "fstatfs", "fstatvfs"],
    },
    Category {
        name: "NSPrivacyAccessedAPICategoryFileTimestamp",
        // Sizes and times of files in the app's own directories: weights and tokenizers.
        reason: "C617.1",
        functions: &[
            "stat",
            "fstat",
            "fstatat",
            "lstat",
            "getattrlist",
            "getattrlistat",
            "fgetattrlist",
            "getattrlistbulk",
        ],
    },
    Category {
        name: "NSPrivacyAccessedAPICategorySystemBootTime",
        // How long something in the app takes: tokens a second.
        reason: "35F9.1",
        functions: &["mach_absolute_time"],
    },
    Category {
        name: "NSPrivacyAccessedAPICategoryUserDefaults",
        // What the app itself has stored.
        reason: "CA92.1",
        functions: &["OBJC_CLASS_$_NSUserDefaults"],
    },
];

/// The text of the file for libraries that need these symbols, without their leading `_`.
pub(super) fn manifest(undefined: &BTreeSet<String>) -> String {
    let mut accessed = String::new();
    for Category { name, reason, functions } in &CATEGORIES {
        // `stat$INODE64` is `stat`.
        let calls = |symbol: &String| {
            let plain = symbol.strip_suffix("$INODE64").unwrap_or(symbol);
            let plain = plain.strip_prefix('_').unwrap_or(plain);
            functions.contains(&plain)
        };
        if undefined.iter().any(calls) {
            accessed += &format!(
                "\t\t<dict>\n\t\t\t<key>NSPrivacyAccessedAPIType</key>\n\t\t\t\
                 <string>{name}</string>\n\t\t\t<key>NSPrivacyAccessedAPITypeReasons</key>\n\
                 \t\t\t<array>\n\t\t\t\t<string>{reason}</string>\n\t\t\t</array>\n\t\t</dict>\n"
            );
        }
    }
    let accessed = match accessed.is_empty() {
        true => "\t<array/>\n".to_owned(),
        false => format!("\t<array>\n{accessed}\t</array>\n"),
    };
    super::plist::document(&format!(
        "\t<key>NSPrivacyTracking</key>\n\t<false/>\n\
         \t<key>NSPrivacyTrackingDomains</key>\n\t<array/>\n\
         \t<key>NSPrivacyCollectedDataTypes</key>\n\t<array/>\n\
         \t<key>NSPrivacyAccessedAPITypes</key>\n{accessed}"
    ))
}

#[cfg(test)]
mod tests {
    use super::manifest;

    #[test]
    fn what_is_called_is_declared_and_nothing_else() {
        let of = |symbols: &[&str]| manifest(&symbols.iter().map(ToString::to_string).collect());
        let none = of(&["malloc", "status", "restat"]);
        assert!(none.contains("<key>NSPrivacyAccessedAPITypes</key>\n\t<array/>"), "{none}");
        let some = of(&["stat$INODE64", "mach_absolute_time"]);
        for (text, there) in
            [("FileTimestamp", true), ("C617.1", true), ("SystemBootTime", true), ("Disk", false)]
        {
            assert_eq!(some.contains(text), there, "{text}: {some}");
        }
    }
}
