use super::super::diagnostic::Sink;
use super::super::fields::At;
use super::super::quote::quote;
use super::super::{Code, Diagnostic, Span};
use super::fields::Fields;
use super::tree::Value;
use crate::model::{
    ArtifactKind, ArtifactSettings, MavenGroup, MavenId, MavenSettings, MavenVersion, PackageName,
    ProjectPackage, SwiftName, SwiftSettings, SwiftVersion,
};

/// `artifact`, `maven` and `swift` of a package; where the first is written, or the package itself.
pub(super) fn read(sink: &mut Sink, fields: &Fields) -> At<ArtifactSettings> {
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
            weights: fields.boolean(sink, "weights"),
        }
    });
    let swift = fields.map(sink, "swift").map(|fields| {
        fields.only(sink, &["name", "version", "slices"]);
        let help = "write the name that Swift imports, `Models` for instance";
        let name = fields.parsed::<SwiftName>(sink, "name", code, help);
        let help = "write a version, \"1.2.0\" for instance, or leave it to the release's tag";
        let version = fields.parsed::<SwiftVersion>(sink, "version", code, help);
        SwiftSettings {
            name: name.map(|at| at.value),
            version: version.map(|at| at.value),
            slices: slices(sink, &fields),
        }
    });
    let written = ["maven", "swift", "artifact"].into_iter().filter_map(|name| fields.get(name));
    let span = written.map(|(key, _)| key.span).next().unwrap_or_default();
    let settings = ArtifactSettings {
        kind: kind.map(|at| at.value),
        maven: maven.unwrap_or_default(),
        swift: swift.unwrap_or_default(),
    };
    At { value: settings, span: if span == Span::default() { fields.place() } else { span } }
}

/// The names of other packages.
fn slices(sink: &mut Sink, fields: &Fields) -> Vec<PackageName> {
    let mut names = Vec::new();
    for node in fields.list(sink, "slices").unwrap_or_default() {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            other => other.type_name(),
        };
        match text.parse() {
            Ok(name) => names.push(name),
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
pub(super) fn known_slices(sink: &mut Sink, packages: &[(&ProjectPackage, Span)]) {
    for (package, span) in packages {
        let others = packages.iter().map(|(other, _)| &other.name);
        let others: Vec<_> = others.filter(|other| **other != package.name).collect();
        for name in &package.artifact.swift.slices {
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
