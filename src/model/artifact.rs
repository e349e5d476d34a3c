//! One file, or a few, that an app depends on by a line: a Maven artifact, or a Swift package.

use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PackageName;
use super::policy::{UnknownChoice, choose};

/// What is made beside `dist/`'s directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// A Maven repository with an Android archive.
    Aar,
    /// The same without mlc4j's own classes.
    AarNative,
    /// A Swift package around an XCFramework.
    SwiftPackage,
}

impl ArtifactKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aar => "aar",
            Self::AarNative => "aar-native",
            Self::SwiftPackage => "swift-package",
        }
    }

    /// Whether it is for Apple's systems, and not for Android.
    pub const fn is_apple(self) -> bool {
        matches!(self, Self::SwiftPackage)
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ArtifactKind {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        let kinds = [Self::Aar, Self::AarNative, Self::SwiftPackage];
        choose(text, "aar, aar-native, swift-package", kinds)
    }
}

/// What `mlc-package.yml` says of a package's artifact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArtifactSettings {
    /// Which is made, unless the command line asks for another.
    pub kind: Option<ArtifactKind>,
    /// Of a Maven artifact.
    pub maven: MavenSettings,
    /// Of a Swift package.
    pub swift: SwiftSettings,
}

/// `maven` of a package.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MavenSettings {
    /// `groupId`.
    pub group: Option<MavenGroup>,
    /// `artifactId`; the package's name if none.
    pub artifact: Option<MavenId>,
    /// `version`; the tag's if none.
    pub version: Option<MavenVersion>,
    /// Whether bundled models are in the archive; they are if none.
    pub weights: Option<bool>,
}

/// `swift` of a package.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SwiftSettings {
    /// The package's, the product's and the module's; the package's name if none.
    pub name: Option<SwiftName>,
    /// The version; the tag's if none.
    pub version: Option<SwiftVersion>,
    /// Packages whose libraries are for other systems or processors, and go into it too.
    pub slices: Vec<PackageName>,
}

/// An artifact to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Artifact {
    /// For Gradle and Maven.
    Maven(MavenArtifact),
    /// For SwiftPM and Xcode.
    Swift(SwiftArtifact),
}

/// A Maven artifact to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct MavenArtifact {
    /// `groupId`.
    pub group: MavenGroup,
    /// `artifactId`.
    pub artifact: MavenId,
    /// `version`.
    pub version: MavenVersion,
    /// Whether mlc4j's own classes are in it.
    pub classes: bool,
    /// Whether bundled models are in it.
    pub weights: bool,
}

/// A Swift package to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct SwiftArtifact {
    /// The package's, the product's and the module's name.
    pub name: SwiftName,
    /// The version of the release.
    pub version: SwiftVersion,
    /// Where the release has its assets, without a `/` at the end; none where nobody says.
    pub url: Option<String>,
    /// The packages that were built for other systems or processors: names, and their `dist/`.
    pub slices: Vec<(PackageName, Utf8PathBuf)>,
}

impl Artifact {
    /// Whether it is for Apple's systems.
    pub const fn is_apple(&self) -> bool {
        matches!(self, Self::Swift(_))
    }
}

/// Why a text is no name of an artifact, or no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ArtifactError(&'static str);

/// Declares a checked text.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $why:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ArtifactError;

            fn from_str(text: &str) -> Result<Self, ArtifactError> {
                let good = text.len() <= LONGEST && $check(text);
                good.then(|| Self(text.to_owned())).ok_or(ArtifactError($why))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

/// They become names of directories and files, and the longest of those has 255 bytes.
const LONGEST: usize = 100;

text! {
    /// `groupId`: names with dots between them.
    MavenGroup, is_group,
    "a group is words of a-z A-Z 0-9 _ - with dots between them, `com.example` for instance"
}
text! {
    /// `artifactId`.
    MavenId, is_maven_id,
    "an artifact's name has a-z A-Z 0-9 . _ - and begins and ends with a letter or digit"
}
text! {
    /// `version`, as Maven and Gradle both take it for one version.
    MavenVersion, is_maven_version,
    "a version has a-z A-Z 0-9 . _ - + and begins with a digit, `1.2.0` for instance; it is not a \
     snapshot"
}
text! {
    /// The name of a Swift module: an identifier.
    SwiftName, is_swift_name,
    "a Swift package's name is an identifier: a letter, then letters, digits and `_`"
}
text! {
    /// A version by SemVer 2, as SwiftPM demands it.
    SwiftVersion, is_semver,
    "SwiftPM takes versions of three numbers, `1.2.0` or `1.2.0-beta.1` for instance"
}

fn is_group(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('-')
            && word.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
    };
    text.split('.').all(word)
}

fn ends_well(text: &str) -> bool {
    let good = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    good(text.bytes().next()) && good(text.bytes().next_back()) && !text.contains("..")
}

fn is_maven_id(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    ends_well(text) && text.bytes().all(fits)
}

fn is_maven_version(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'+');
    ends_well(text)
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(fits)
        && !text.to_ascii_uppercase().ends_with("SNAPSHOT")
}

/// Names that a module cannot have: words of the language, and modules that are always there.
const SWIFT_WORDS: [&str; 16] = [
    "Any",
    "Self",
    "class",
    "enum",
    "extension",
    "false",
    "func",
    "import",
    "in",
    "let",
    "nil",
    "self",
    "struct",
    "true",
    "var",
    "Swift",
];

fn is_swift_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && !SWIFT_WORDS.contains(&text)
}

/// <https://semver.org>, 2.0.0.
fn is_semver(text: &str) -> bool {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (numbers, pre) = match text.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (text, None),
    };
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let plain = |text: &str| text == "0" || !text.starts_with('0');
    // Larger numbers are none for SwiftPM.
    let number = |text: &str| is_number(text) && plain(text) && text.parse::<u32>().is_ok();
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && pre.is_none_or(|pre| {
            pre.split('.').all(|part| word(part) && (!is_number(part) || plain(part)))
        })
        && build.is_none_or(|build| build.split('.').all(word))
}

/// The version that a tag is named by: `v1.2.0`, `models-1.2.0` and `android/v1.2.0` are of 1.2.0.
pub fn version_of_tag(tag: &str) -> &str {
    let last = tag.rsplit('/').next().unwrap_or(tag);
    let starts = last.char_indices().filter(|(at, c)| {
        let before = last.get(..*at).unwrap_or_default();
        let before = before.strip_suffix(['v', 'V']).unwrap_or(before);
        c.is_ascii_digit() && (before.is_empty() || before.ends_with(['-', '_', '@']))
    });
    let start = starts.map(|(at, _)| at).next();
    start.and_then(|at| last.get(at..)).unwrap_or(last)
}

impl MavenArtifact {
    /// The directory of all its versions, from a repository's root.
    pub fn dir(&self) -> String {
        format!("{}/{}", self.group.as_str().replace('.', "/"), self.artifact)
    }

    /// What an app writes.
    pub fn coordinates(&self) -> String {
        format!("{}:{}:{}", self.group, self.artifact, self.version)
    }

    /// The package of Java that Android's tools know it by: group and artifact, each part an
    /// identifier that begins with a letter.
    pub fn namespace(&self) -> String {
        let parts = self.group.as_str().split('.').chain([self.artifact.as_str()]);
        let parts = parts.flat_map(|part| part.split(['.', '-'])).filter(|part| !part.is_empty());
        let identifier = |part: &str| match part {
            part if !part.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("p{part}"),
            part if JAVA_WORDS.contains(&part) => format!("{part}_"),
            part => part.to_owned(),
        };
        parts.map(identifier).collect::<Vec<_>>().join(".")
    }
}

/// Words of Java's language, which no package may be named by.
const JAVA_WORDS: [&str; 53] = [
    "abstract",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "for",
    "goto",
    "if",
    "implements",
    "import",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "try",
    "void",
    "volatile",
    "while",
];

#[cfg(test)]
mod tests {
    use super::{
        MavenArtifact, MavenGroup, MavenId, MavenVersion, SwiftName, SwiftVersion, version_of_tag,
    };

    #[test]
    fn what_maven_and_gradle_take() {
        for good in ["com.example", "ai", "io.github.a-b.c_d", "com.9gag"] {
            assert!(good.parse::<MavenGroup>().is_ok(), "{good}");
        }
        for bad in ["", ".", "com.", ".com", "com..example", "com/example", "c d", "ä", "-a", "a\n"]
        {
            assert!(bad.parse::<MavenGroup>().is_err(), "{bad}");
        }
        for good in ["models", "a.b", "mlc-models_2", "9"] {
            assert!(good.parse::<MavenId>().is_ok(), "{good}");
        }
        for bad in ["", "..", "a..b", ".a", "a.", "a/b", "a:b", "a b", "-a", &"x".repeat(101)] {
            assert!(bad.parse::<MavenId>().is_err(), "{bad}");
        }
        for good in ["1", "1.2.0", "2024.01", "1.0-beta_1", "1.0.0+build5", "01"] {
            assert!(good.parse::<MavenVersion>().is_ok(), "{good}");
        }
        let bad = ["", "v1.0", "[1.0,2.0)", "1.+", "1.0+", "latest.release", "1.0-SNAPSHOT", "1/2"];
        for bad in
            bad.into_iter().chain(["1 0", "1.0-snapshot", "1:0", "${version}", "1..2", "\u{661}"])
        {
            assert!(bad.parse::<MavenVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_swiftpm_takes() {
        for good in ["1.2.0", "0.0.1", "1.2.3-beta.1", "1.0.0-0a", "1.0.0+5", "1.0.0-a-b+c.d"] {
            assert!(good.parse::<SwiftVersion>().is_ok(), "{good}");
        }
        for bad in ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+"]
            .into_iter()
            .chain(["1.2.x", "1.2.3-a..b", "99999999999.0.0", "1.2.3 ", "1.-2.3"])
        {
            assert!(bad.parse::<SwiftVersion>().is_err(), "{bad}");
        }
        for good in ["Models", "MLC_Models2", "a"] {
            assert!(good.parse::<SwiftName>().is_ok(), "{good}");
        }
        for bad in ["", "9a", "a-b", "a.b", "a b", "ä", "_a", "class", "Swift", "a/b"] {
            assert!(bad.parse::<SwiftName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tags_version() {
        for (tag, version) in [
            ("v1.2.0", "1.2.0"),
            ("1.2.0", "1.2.0"),
            ("models-1.2.0", "1.2.0"),
            ("my-models-v1.2.0-beta.1", "1.2.0-beta.1"),
            ("android/v2", "2"),
            ("android-16k/v2.0", "2.0"),
            ("models@3.1", "3.1"),
            ("latest", "latest"),
            ("gemma2", "gemma2"),
        ] {
            assert_eq!(version_of_tag(tag), version, "{tag}");
        }
    }

    #[test]
    fn a_namespace_is_a_package_of_java() {
        let artifact = |group: &str, artifact: &str| MavenArtifact {
            group: group.parse().unwrap(),
            artifact: artifact.parse().unwrap(),
            version: "1".parse().unwrap(),
            classes: false,
            weights: true,
        };
        assert_eq!(artifact("com.example", "models").namespace(), "com.example.models");
        let strange = artifact("new.9gag.a-b", "default.16k");
        assert_eq!(strange.namespace(), "new_.p9gag.a.b.default_.p16k");
        assert_eq!(strange.dir(), "new/9gag/a-b/default.16k");
    }
}
