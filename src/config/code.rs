use serde::{Serialize, Serializer};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be built from the config.
    Error,
    /// It can be built; what was meant is doubtful.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Declares the codes once, with their names and severities.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $severity:ident;)*) => {
        /// The kinds of problems of a config. Their names are public and stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code's name, in kebab case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it is not the config that is wrong, but the files of a model.
            pub const fn is_of_model(self) -> bool {
                matches!(self, Self::IncompleteModel)
            }

            /// How bad it is unless warnings are denied.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The file is missing or cannot be read.
    Unreadable, "unreadable", Error;
    /// The file is larger than [`MAX_BYTES`](super::MAX_BYTES).
    TooLarge, "too-large", Error;
    /// The file holds nothing, or white space only.
    EmptyFile, "empty-file", Error;
    /// The file is not UTF-8.
    InvalidUtf8, "invalid-utf8", Error;
    /// The file is not JSON.
    Syntax, "syntax", Error;
    /// Brackets are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep, "too-deep", Error;
    /// More problems than [`MAX_PROBLEMS`](super::MAX_PROBLEMS).
    TooManyProblems, "too-many-problems", Error;
    /// The config is JSON, but no object.
    NotAnObject, "not-an-object", Error;
    /// One object has one key twice.
    DuplicateKey, "duplicate-key", Error;
    /// A field that must be there is not.
    MissingField, "missing-field", Error;
    /// A value is of another JSON type than the field's.
    WrongType, "wrong-type", Error;
    /// `device` names none.
    UnknownDevice, "unknown-device", Error;
    /// `model` is neither a hub repository nor a path.
    InvalidModel, "invalid-model", Error;
    /// `revision` is no branch, tag or commit.
    InvalidRevision, "invalid-revision", Error;
    /// A local model with a `revision`: only a repository has any.
    LocalModelRevision, "local-model-revision", Error;
    /// A local model's directory is missing.
    MissingModel, "missing-model", Error;
    /// A model or a library lies outside of the directory that configs are confined to.
    Confined, "confined", Error;
    /// A local model's directory lacks a file that it must have.
    IncompleteModel, "incomplete-model", Error;
    /// A local model's `mlc-chat-config.json` cannot be used.
    InvalidChatConfig, "invalid-chat-config", Error;
    /// A model to be converted that is converted already.
    AlreadyConverted, "already-converted", Error;
    /// A local or converted model without `bundle_weight`: no phone could get its weights.
    UnbundledLocalModel, "unbundled-local-model", Error;
    /// `model_id` cannot name one directory.
    InvalidModelId, "invalid-model-id", Error;
    /// Two entries have one `model_id`.
    DuplicateModelId, "duplicate-model-id", Error;
    /// A library's name is no C identifier.
    InvalidModelLib, "invalid-model-lib", Error;
    /// Two entries that need different libraries name them alike.
    ConflictingModelLib, "conflicting-model-lib", Error;
    /// `estimated_vram_bytes` is not a whole number that both apps can read.
    InvalidVramEstimate, "invalid-vram-estimate", Error;
    /// An override has a value that the compiler cannot use.
    InvalidOverride, "invalid-override", Error;
    /// A prepared library's file is missing.
    MissingLibrary, "missing-library", Error;
    /// Two prepared libraries have one name.
    DuplicateLibrary, "duplicate-library", Error;
    /// A field of `mlc-package.yml` that is none.
    UnknownKey, "unknown-key", Error;
    /// A path of `mlc-package.yml` that does not stay in the project.
    InvalidPath, "invalid-path", Error;
    /// A path of `mlc-package.yml` that leads to nothing.
    MissingPath, "missing-path", Error;
    /// A package's name that cannot begin the name of a file.
    InvalidPackageName, "invalid-package-name", Error;
    /// `compiler-image` is not the name of an image.
    InvalidImage, "invalid-image", Error;
    /// Two packages have one name.
    DuplicatePackage, "duplicate-package", Error;
    /// Two packages are written to one directory.
    ConflictingOutput, "conflicting-output", Error;
    /// A name or a version that Maven, Gradle or SwiftPM does not take.
    InvalidArtifact, "invalid-artifact", Error;
    /// Two packages make one artifact.
    DuplicateArtifact, "duplicate-artifact", Error;
    /// A limit that is no size, or none of percent.
    InvalidBudget, "invalid-budget", Error;
    /// A word that is none of the choices.
    InvalidChoice, "invalid-choice", Error;
    /// What `try` asks for cannot be asked.
    InvalidTry, "invalid-try", Error;
    /// `tag` is no tag's name.
    InvalidTag, "invalid-tag", Error;
    /// A model, or its package, is larger than its budget allows. A warning where that is all the
    /// budget asks for.
    OverBudget, "over-budget", Error;
    /// A library's name that TVM 0.25 and 0.26 fail to compile: it is too short for them.
    ShortModelLib, "short-model-lib", Warning;
    /// A field that nothing reads.
    UnknownField, "unknown-field", Warning;
    /// An override that the compiler does not know.
    UnknownOverride, "unknown-override", Warning;
    /// A prepared library that no entry names.
    UnusedLibrary, "unused-library", Warning;
    /// Overrides of an entry whose library is prepared: nothing is compiled with them.
    IneffectiveOverrides, "ineffective-overrides", Warning;
    /// `estimated_vram_bytes` is less than the compiled library says that the model needs.
    VramTooLow, "vram-too-low", Warning;
    /// A budget of a model that its package does not have.
    UnknownModel, "unknown-model", Warning;
    /// The config has no models.
    NoModels, "no-models", Warning;
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_are_kebab_case_and_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(names.iter().all(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
