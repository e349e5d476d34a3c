use super::diagnostic::Sink;
use super::fields::{At, Fields};
use super::package::Checker;
use super::quote::quote;
use super::tree::{Language, Value};
use super::{Code, Diagnostic, conversion, model_source, overrides, prepared, revision};
use crate::model::{
    ChatConfig, Conversion, HubRepo, LibraryName, ModelEntry, ModelId, ModelIdError, ModelSource,
    Overrides,
};

/// The fields of an entry of `model_list`.
pub(super) const NAMES: [&str; 9] = [
    "model",
    "revision",
    "quantization",
    "conv_template",
    "model_id",
    "estimated_vram_bytes",
    "bundle_weight",
    "overrides",
    "model_lib",
];

/// What others call a revision.
const REVISIONS: [&str; 5] = ["branch", "commit", "ref", "sha", "tag"];

/// One entry of `model_list`, as far as it is good.
pub(super) struct Entry {
    pub(super) source: Option<ModelSource>,
    /// Of a local model.
    pub(super) chat_config: Option<ChatConfig>,
    pub(super) model_id: Option<At<ModelId>>,
    pub(super) model_lib: Option<At<LibraryName>>,
    /// Where the bracket of the overrides is, if there are any.
    pub(super) overrides: Option<At<Overrides>>,
    estimated_vram_bytes: Option<u64>,
    bundle_weight: bool,
    conversion: Option<Conversion>,
}

impl Entry {
    pub(super) fn finish(self) -> Option<ModelEntry> {
        Some(ModelEntry {
            source: self.source?,
            model_id: self.model_id?.value,
            model_lib: self.model_lib.map(|at| at.value),
            estimated_vram_bytes: self.estimated_vram_bytes?,
            bundle_weight: self.bundle_weight,
            overrides: self.overrides.map(|at| at.value).unwrap_or_default(),
            conversion: self.conversion,
        })
    }
}

/// Reads one entry.
pub(super) fn read(checker: &mut Checker, fields: &Fields) -> Entry {
    let sink = &mut checker.sink;
    fields.only_or(sink, Code::UnknownField, &NAMES, |name| {
        if REVISIONS.contains(&name) {
            return Some("did you mean `revision`?".to_owned());
        }
        let inside = Overrides::NAMES.contains(&name);
        inside.then(|| format!("`{name}` belongs in the entry's `overrides`"))
    });
    fields.require(sink, "model", "add `\"model\": \"HF://user/repo\"`, or a model's directory");
    fields.require(sink, "model_id", "add a name for the model, unique in the app");
    let help =
        "add the memory the model needs, in bytes: the iOS app cannot read the list without it";
    fields.require(sink, "estimated_vram_bytes", help);

    let bundle = fields.boolean(sink, "bundle_weight");
    let model_id = model_id(sink, fields);
    let model_lib = model_lib(sink, fields);
    let estimated_vram_bytes = vram(sink, fields);
    let overrides = fields
        .map(sink, "overrides")
        .map(|inner| At { value: overrides::read(sink, &inner), span: inner.place() });
    let model = fields.text(sink, "model");
    let conversion = conversion::read(sink, fields, model, bundle);
    let is_raw = conversion::is_asked(fields);
    let revision = revision::read(sink, fields, model);
    let found = model.and_then(|text| {
        model_source::read(checker, &fields.named("model"), text, revision, is_raw)
    });
    // What is not here and may be a repository's name has its remedy.
    if let Some(text) =
        model.filter(|text| found.is_some() || model_source::hub_name(text.value).is_none())
    {
        bundled(&mut checker.sink, fields, text, bundle);
    }
    let (source, chat_config) =
        found.map_or((None, None), |found| (Some(found.source), found.chat_config));
    if let (Some(conversion), Some(source)) = (&conversion, &source) {
        conversion::held_against(checker, fields, conversion, source);
    }
    let bundle_weight = bundle.is_some_and(|at| at.value);
    Entry {
        source,
        chat_config,
        model_id,
        model_lib,
        overrides,
        estimated_vram_bytes,
        bundle_weight,
        conversion,
    }
}

fn model_id(sink: &mut Sink, fields: &Fields) -> Option<At<ModelId>> {
    let text = fields.text(sink, "model_id")?;
    let why = match text.value.parse() {
        Ok(value) => return Some(At { value, span: text.span }),
        Err(why) => why,
    };
    let last = text.value.rsplit(['/', '\\']).next().unwrap_or_default();
    let help = match why {
        ModelIdError::Separator if last.parse::<ModelId>().is_ok() => {
            format!("write {}, for instance", quote(last))
        }
        ModelIdError::TooLong => "take a shorter one".to_owned(),
        ModelIdError::Control => "remove them".to_owned(),
        _ => "take the model's own name: `phi-2-q4f16_1-MLC`, for instance".to_owned(),
    };
    let what = match why {
        ModelIdError::NotPortable(why) => &format!(" has {why}"),
        ModelIdError::Empty => " is empty",
        ModelIdError::Dots => " cannot be `.` or `..`",
        ModelIdError::Separator => " holds a `/` or `\\`",
        ModelIdError::Control => " holds control characters",
        ModelIdError::TooLong => " is longer than 255 bytes",
        ModelIdError::Reserved => ": `mlc-app-config.json` is a file beside the models",
    };
    let message = format!("{}{what}", fields.named("model_id"));
    let found = Diagnostic::new(Code::InvalidModelId, text.span, message, help);
    sink.push(found.label("names one directory of the package"));
    None
}

fn model_lib(sink: &mut Sink, fields: &Fields) -> Option<At<LibraryName>> {
    if fields.is_null("model_lib") {
        return None;
    }
    let text = fields.text(sink, "model_lib")?;
    match text.value.parse() {
        Ok(value) => Some(At { value, span: text.span }),
        Err(why) => {
            sink.push(prepared::invalid_name(&fields.named("model_lib"), text, &why));
            None
        }
    }
}

/// The apps decode it as a signed integer of 64 bits: anything else costs the iOS app its list.
fn vram(sink: &mut Sink, fields: &Fields) -> Option<u64> {
    let value = fields.get("estimated_vram_bytes")?;
    let (what, help) = match &value.value {
        Value::Number(number) => match number.parse::<i64>() {
            Ok(bytes) if bytes > 0 => return u64::try_from(bytes).ok(),
            // Both apps read it, and real configs have it.
            Ok(0) => {
                let message = format!("{} is 0", fields.named("estimated_vram_bytes"));
                let help = "let `mlc-package build --fix-vram` write what the model needs";
                let found =
                    Diagnostic::new(Code::VramTooLow, value.head(), message, help.to_owned());
                sink.push(found.label("no model needs nothing"));
                return Some(0);
            }
            Ok(_) => (&**number, None),
            Err(_) => (&**number, whole(number)),
        },
        Value::Text(text) => ("a string", text.parse::<i64>().ok()),
        other => (Language::Json.type_name(other), None),
    };
    let path = fields.named("estimated_vram_bytes");
    let message = match what.get(..40) {
        Some(start) => format!("{path} cannot be {start}…"),
        None => format!("{path} cannot be {what}"),
    };
    let is_huge = what.len() > 18 && what.bytes().all(|digit| digit.is_ascii_digit());
    let help = match help.filter(|bytes| *bytes > 0) {
        Some(bytes) => format!("write {bytes}"),
        None if is_huge => format!("the apps read at most {}", i64::MAX),
        None => "write the memory the model needs, in bytes: 3000000000, for instance".to_owned(),
    };
    let found = Diagnostic::new(Code::InvalidVramEstimate, value.head(), message, help);
    sink.push(found.label("expected a positive integer"));
    None
}

/// The integer that a number such as `3e9` or `3000000000.0` is.
fn whole(number: &str) -> Option<i64> {
    // Every integer below 2^53 is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = number.parse().ok()?;
    (value.fract() == 0.0 && (1.0..EXACT).contains(&value)).then_some(value as i64)
}

/// A local model must be bundled: there is no address that a phone could load it from.
fn bundled(sink: &mut Sink, fields: &Fields, model: At<&str>, bundle: Option<At<bool>>) {
    let set = bundle.is_some_and(|at| at.value);
    // A value of another type has been reported.
    let unclear = bundle.is_none() && fields.get("bundle_weight").is_some();
    if HubRepo::is_url(model.value) || model.value.trim().is_empty() || set || unclear {
        return;
    }
    let message = format!("the local model {} is not bundled", quote(model.value));
    let help = match bundle {
        Some(_) => "set `\"bundle_weight\": true`: a phone cannot load weights from this machine",
        None => "add `\"bundle_weight\": true`: a phone cannot load weights from this machine",
    };
    let span = bundle.map_or(model.span, |at| at.span);
    let found = Diagnostic::new(Code::UnbundledLocalModel, span, message, help);
    sink.push(match bundle {
        Some(_) => found.related(model.span, "a path on this machine"),
        None => found.label("a path on this machine"),
    });
}
