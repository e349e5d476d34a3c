use super::diagnostic::Sink;
use super::entry::Entry;
use super::fields::Fields;
use super::prepared::Prepared;
use super::quote::quote;
use super::suggest::nearest;
use super::tree::{Language, Node, Value};
use super::{Code, Diagnostic, Place, Surroundings, conflicts, entry, prepared};
use crate::model::{Device, PackageConfig};

/// The fields of a config. `$schema` is for editors.
pub(super) const NAMES: [&str; 4] =
    ["device", "model_list", "model_lib_path_for_prepare_libs", "$schema"];

/// What a check carries along.
pub(super) struct Checker<'a> {
    pub(super) sink: Sink,
    /// The config's device, once it is read.
    pub(super) device: Option<Device>,
    pub(super) place: &'a Place,
    pub(super) surroundings: &'a dyn Surroundings,
}

/// Reads a whole config. There is a result unless an error has been reported.
pub(super) fn read(checker: &mut Checker, root: &Node) -> Option<PackageConfig> {
    if !matches!(root.value, Value::Map(_)) {
        checker.sink.push(not_an_object(root));
        return None;
    }
    let fields = Fields::json(&mut checker.sink, root, "")?;
    fields.only_or(&mut checker.sink, Code::UnknownField, &NAMES, |name| {
        let in_entry = entry::NAMES.contains(&name);
        in_entry.then(|| format!("`{name}` belongs in an entry of `model_list`"))
    });
    let device = device(&mut checker.sink, &fields);
    checker.device = device;
    let prepared = prepared::read(checker, &fields);
    let entries = entries(checker, &fields);
    conflicts::check(&mut checker.sink, &entries, &prepared);
    let models = entries.into_iter().map(Entry::finish).collect::<Option<Vec<_>>>()?;
    let prepared = prepared.into_iter().map(Prepared::finish).collect::<Option<Vec<_>>>()?;
    Some(PackageConfig { device: device?, models, prepared })
}

fn not_an_object(root: &Node) -> Diagnostic {
    Diagnostic::new(
        Code::NotAnObject,
        root.opening(),
        format!("the config is {}, not an object", Language::Json.type_name(&root.value)),
        "a package config looks like {\"device\": \"android\", \"model_list\": [ … ]}",
    )
}

/// The device that a name of something else most likely means.
pub fn device_meant(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "ios" | "ipad" | "ipados" | "iphoneos" | "apple" => Some("iphone"),
        "mac" | "macos" | "osx" | "catalyst" | "maccatalyst" | "mac-catalyst" => Some("macabi"),
        _ => nearest(name, Device::ALL.map(Device::as_str)),
    }
}

fn device(sink: &mut Sink, fields: &Fields) -> Option<Device> {
    fields.require(sink, "device", "add `\"device\": \"android\"` (or iphone, or macabi)");
    let text = fields.text(sink, "device")?;
    if let Ok(device) = text.value.parse() {
        return Some(device);
    }
    let help = match device_meant(text.value) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "packages are built for android, iphone and macabi".to_owned(),
    };
    let message = format!("unknown device {}", quote(text.value));
    let found = Diagnostic::new(Code::UnknownDevice, text.span, message, help);
    sink.push(found.label("expected android, iphone or macabi"));
    None
}

fn entries(checker: &mut Checker, fields: &Fields) -> Vec<Entry> {
    let list = fields.list(&mut checker.sink, "model_list");
    let empty = match (list, fields.get("model_list")) {
        (Some([]), Some(node)) => Some(node.span),
        (None, None) => Some(fields.place()),
        _ => None,
    };
    if let Some(span) = empty {
        let (message, label) = match list {
            Some(_) => ("`model_list` is empty", "no models in here"),
            None => ("the config has no `model_list`", "no `model_list` in here"),
        };
        let help = "add a model: {\"model\": \"HF://user/repo\", \"model_id\": …, \
                    \"estimated_vram_bytes\": …}";
        checker.sink.push(Diagnostic::new(Code::NoModels, span, message, help).label(label));
    }
    let mut entries = Vec::new();
    for (index, value) in list.into_iter().flatten().enumerate() {
        if checker.sink.is_full() {
            break;
        }
        let path = format!("model_list[{index}]");
        if let Some(fields) = Fields::json(&mut checker.sink, value, &path) {
            entries.push(entry::read(checker, &fields));
        }
    }
    entries
}
