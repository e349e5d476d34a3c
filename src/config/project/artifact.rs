use crate::config::diagnostic::Sink;
use crate::config::fields::{At, Fields};
use crate::config::quote::quote;
use crate::config::tree::{Language, Value};
use crate::config::{Code, Diagnostic, Span};
use crate::model::{
    ArtifactKind, ArtifactSettings, MavenGroup, MavenId, MavenSettings, MavenVersion, PackageName,
    ProjectPackage, SwiftName, SwiftSettings, SwiftVersion,
};

/// `artifact`, `maven` and `swift` of a package, and where they are written.
pub(super) struct Written {
    pub(super) settings: ArtifactSettings,
    /// What names the artifact, or the package itself.
    pub(super) span: Span,
    /// `swift.slices`.
    pub(super) slices: Vec<At<PackageName>>,
}

pub(super) fn read(sink: &mut Sink, fields: &Fields) -> Written {
    let help = "write `aar`, `aar-native` or `swift-package`";
    let kind: Option<At<ArtifactKind>> = fields.parsed(sink, "artifact", Code::InvalidChoice, help);
    let code = Code::InvalidArtifact;
    let maven = fields.map(sink, "maven").map(|fields| {
        fields.only(sink, &["group", "artifact", "version", "weights"]);
        let help = "write the group of your organization, `com.example` for instance";
        let group = fields.parsed::<MavenGroup>(sink, "group", code, help);
        let help = "write a short name, `models` for instance";
        let artifact = fields.parsed::<MavenId>(sink, "artifact", code, help);
        let help = "write a version, \"1.2.0\" for instance, or leave it to the release's tag";
        let version = fields.parsed::<MavenVersion>(sink, "version", code, help);
        MavenSettings {
            group: group.map(|at| at.value),
            artifact: artifact.map(|at| at.value),
            version: version.map(|at| at.value),
            weights: fields.boolean(sink, "weights").map(|at| at.value),
        }
    });
    let mut slices = Vec::new();
    let swift = fields.map(sink, "swift").map(|fields| {
        fields.only(sink, &["name", "version", "slices"]);
        slices = self::slices(sink, &fields);
        let help = "write the name that Swift imports, `Models` for instance";
        let name = fields.parsed::<SwiftName>(sink, "name", code, help);
        let help = "write a version, \"1.2.0\" for instance, or leave it to the release's tag";
        let version = fields.parsed::<SwiftVersion>(sink, "version", code, help);
        SwiftSettings {
            name: name.map(|at| at.value),
            version: version.map(|at| at.value),
            slices: slices.iter().map(|at| at.value.clone()).collect(),
        }
    });
    let kind = kind.map(|at| at.value);
    let names = match kind {
        Some(ArtifactKind::SwiftPackage) => ["swift", "artifact", "maven"],
        _ => ["maven", "artifact", "swift"],
    };
    let written = names.into_iter().find_map(|name| fields.find(name));
    let settings = ArtifactSettings {
        kind,
        maven: maven.unwrap_or_default(),
        swift: swift.unwrap_or_default(),
    };
    Written { settings, span: written.map_or_else(|| fields.place(), |(key, _)| key.span), slices }
}

/// The names of other packages.
fn slices(sink: &mut Sink, fields: &Fields) -> Vec<At<PackageName>> {
    let mut names = Vec::new();
    for node in fields.list(sink, "slices").unwrap_or_default() {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            other => Language::Yaml.type_name(other),
        };
        match text.parse() {
            Ok(name) => names.push(At { value: name, span: node.span }),
            Err(_) => {
                let message = format!("`{}` cannot have {}", fields.path("slices"), quote(text));
                let help = "list the names of other packages of this file";
                sink.push(Diagnostic::new(Code::InvalidPackageName, node.span, message, help));
            }
        }
    }
    names
}

/// Reports what is to be in a package's XCFramework and is no other package.
pub(super) fn known_slices(sink: &mut Sink, packages: &[(&ProjectPackage, &[At<PackageName>])]) {
    for (package, slices) in packages {
        let others = packages.iter().map(|(other, _)| &other.name);
        let others: Vec<_> = others.filter(|other| **other != package.name).collect();
        for At { value: name, span } in *slices {
            if !others.contains(&name) {
                let message = format!(
                    "`swift.slices` of `{}`: there is no package {name} beside it",
                    package.name
                );
                let known: Vec<_> = others.iter().map(|name| name.as_str()).collect();
                let help = match known.is_empty() {
                    true => "the file has no other package".to_owned(),
                    false => format!("the others are {}", known.join(", ")),
                };
                sink.push(Diagnostic::new(Code::InvalidArtifact, *span, message, help));
            }
        }
    }
}

/// What tells a package's artifact from others, where the file has it make one.
pub(super) fn name(package: &ProjectPackage) -> Option<String> {
    let ArtifactSettings { kind, maven, swift } = &package.artifact;
    let own = package.name.as_str();
    Some(match (*kind)? {
        ArtifactKind::SwiftPackage => swift.name.as_ref().map_or(own, SwiftName::as_str).to_owned(),
        ArtifactKind::Aar | ArtifactKind::AarNative => {
            let artifact = maven.artifact.as_ref().map_or(own, MavenId::as_str);
            format!("{}:{artifact}", maven.group.as_ref()?)
        }
    })
}
