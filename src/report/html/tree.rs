//! What the treemap shows: the bytes in the app and the bytes that are downloaded, each a tree.

use serde::Serialize;

use crate::manifest::PartRecord;
use crate::report::harmless::visible;
use crate::report::size::{LinkedBy, ModelReport, PackageReport};

/// A part: its name, its kind, its bytes, what it is made of.
#[derive(Debug, Serialize)]
pub(super) struct Node(String, Kind, u64, Vec<Node>);

/// Which colour it has. The page knows them by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Weights,
    Tokenizer,
    Configs,
    Kernels,
    HostCode,
    Data,
    Runtime,
    /// A model, a library, or all.
    Group,
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// One package: its trees, which are never added up.
#[derive(Debug, Serialize)]
pub(super) struct PackageTrees {
    name: String,
    views: [Node; 2],
}

impl PackageTrees {
    pub(super) fn of(package: &PackageReport) -> Self {
        let mut app: Vec<_> = package.models.iter().map(|model| in_app(package, model)).collect();
        let unused = package.libraries.iter().filter(|library| library.models.is_empty());
        app.extend(unused.map(|library| {
            let name = format!("library {}", library.model_lib);
            Node::group(name, vec![Node::leaf("unused", Kind::Data, library.archive)])
        }));
        if package.linked_by == LinkedBy::Binding {
            let libraries: u64 =
                crate::model::total(package.libraries.iter().map(|library| library.archive));
            let rest = package.sizes.linked.bytes().saturating_sub(libraries);
            app.push(Node::leaf("runtime", Kind::Runtime, rest));
        }
        let download = package.models.iter().map(downloaded).collect();
        Self {
            name: visible(&package.name),
            views: [
                Node::group("In the app".to_owned(), app),
                Node::group("Downloaded".to_owned(), download),
            ],
        }
    }
}

impl Node {
    fn leaf(name: &str, kind: Kind, bytes: u64) -> Self {
        Self(visible(name), kind, bytes, Vec::new())
    }

    /// As large as its parts, of which those that are nothing are left out.
    fn group(name: String, parts: Vec<Self>) -> Self {
        let parts: Vec<_> = parts.into_iter().filter(|part| part.2 > 0).collect();
        let bytes = parts.iter().map(|part| part.2).sum();
        Self(visible(&name), Kind::Group, bytes, parts)
    }

    /// A part with its largest parts, and one for the others.
    fn with_largest(name: &str, kind: Kind, bytes: u64, largest: &[PartRecord]) -> Self {
        let sum = largest.iter().map(|part| part.bytes).fold(0, u64::saturating_add);
        let mut node = Self::leaf(name, kind, bytes);
        // Parts that are more than the whole would be a manifest of somebody else's making.
        if !largest.is_empty() && sum <= bytes {
            node.3 = largest.iter().map(|part| Self::leaf(&part.name, kind, part.bytes)).collect();
            node.3.push(Self::leaf(&format!("other {name}"), kind, bytes - sum));
            node.3.retain(|part| part.2 > 0);
        }
        node
    }
}

fn in_app(package: &PackageReport, model: &ModelReport) -> Node {
    let parts = model.parts.unwrap_or_default();
    let library = package.libraries.iter().find(|library| library.model_lib == model.model_lib);
    // Of a library that is divided, whose kernel is it?
    let kernels = library
        .filter(|library| library.models.len() == 1)
        .map_or(&[][..], |library| &library.largest_kernels);
    let mut all = vec![
        Node::with_largest("kernels", Kind::Kernels, parts.kernels, kernels),
        Node::leaf("host code", Kind::HostCode, parts.host_code),
        Node::leaf("data", Kind::Data, parts.data),
    ];
    if model.sizes.bundled.bytes() > 0 {
        all.extend(files(model));
    }
    Node::group(model.model_id.to_string(), all)
}

fn downloaded(model: &ModelReport) -> Node {
    let is_downloaded = model.sizes.download.bytes() > 0;
    let parts = if is_downloaded { files(model).into() } else { Vec::new() };
    Node::group(model.model_id.to_string(), parts)
}

fn files(model: &ModelReport) -> [Node; 3] {
    let parts = model.parts.unwrap_or_default();
    [
        Node::with_largest("weights", Kind::Weights, parts.weights, &model.largest_tensors),
        Node::leaf("tokenizer", Kind::Tokenizer, parts.tokenizer),
        Node::leaf("other files", Kind::Configs, parts.configs),
    ]
}
