//! An entry's `quantization` and `conv_template`: a raw checkpoint that is to be converted.

use super::diagnostic::Sink;
use super::fields::{At, Fields};
use super::package::Checker;
use super::quote::quote;
use super::suggest::nearest;
use super::{Code, Diagnostic, FileText};
use crate::model::{ChatConfig, ConvTemplate, Conversion, HubRepo, ModelSource, Scheme};

/// Whether the entry's model is a raw checkpoint.
pub(super) fn is_asked(fields: &Fields) -> bool {
    fields.get("quantization").is_some()
}

/// Reads the two fields, and holds them against each other and against `bundle_weight`.
pub(super) fn read(
    sink: &mut Sink,
    fields: &Fields,
    model: Option<At<&str>>,
    bundle: Option<At<bool>>,
) -> Option<Conversion> {
    let quantization = fields.text(sink, "quantization");
    let template = fields.text(sink, "conv_template");
    let conv_template = template.and_then(|text| {
        text.value.parse::<ConvTemplate>().map_err(|_| sink.push(template_of(fields, text))).ok()
    });
    if let (Some(text), false) = (template, is_asked(fields)) {
        let message = format!("{} without a `quantization`", fields.named("conv_template"));
        let help = "to convert a raw checkpoint add `\"quantization\": \"q4f16_1\"`; of a converted \
                    model remove it";
        sink.push(Diagnostic::new(Code::MissingField, text.span, message, help));
    }
    let text = quantization?;
    if let Some(model) = model {
        bundled(sink, fields, model, bundle);
    }
    match text.value.parse::<Scheme>() {
        // A template that is there and unknown is no wish to have it derived.
        Ok(_) if fields.get("conv_template").is_some() && conv_template.is_none() => None,
        Ok(quantization) => Some(Conversion { quantization, conv_template }),
        Err(_) => {
            sink.push(quantization_of(fields, text));
            None
        }
    }
}

fn quantization_of(fields: &Fields, text: At<&str>) -> Diagnostic {
    let names = Scheme::NAMES;
    let message =
        format!("{}: unknown quantization {}", fields.named("quantization"), quoted(text));
    let known = format!("known are {}", names.join(", "));
    let help = match Scheme::with_usual_layout(text.value).or_else(|| nearest(text.value, names)) {
        Some(meant) => format!("did you mean `{meant}`? {known}"),
        None => known,
    };
    Diagnostic::new(Code::InvalidChoice, text.span, message, help)
}

fn template_of(fields: &Fields, text: At<&str>) -> Diagnostic {
    let message = format!(
        "{}: unknown conversation template {}",
        fields.named("conv_template"),
        quoted(text)
    );
    let help = match nearest(text.value, ConvTemplate::NAMES) {
        // What `convert` calls it.
        _ if text.value == "auto" => {
            "leave it out: it is derived where the checkpoint's files leave no doubt".to_owned()
        }
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known are {}", ConvTemplate::NAMES.join(", ")),
    };
    Diagnostic::new(Code::InvalidChoice, text.span, message, help)
}

fn quoted(text: At<&str>) -> String {
    quote(text.value)
}

/// No phone could load what is converted here; of local models this is said anyway.
fn bundled(sink: &mut Sink, fields: &Fields, model: At<&str>, bundle: Option<At<bool>>) {
    let unclear = bundle.is_none() && fields.get("bundle_weight").is_some();
    if !HubRepo::is_url(model.value) || unclear || bundle.is_some_and(|at| at.value) {
        return;
    }
    let message = format!("the model converted from {} is not bundled", quote(model.value));
    let help = "set `\"bundle_weight\": true`: a phone cannot load weights that are converted here";
    let span = bundle.map_or(model.span, |at| at.span);
    sink.push(Diagnostic::new(Code::UnbundledLocalModel, span, message, help));
}

/// Holds a directory against what a raw checkpoint is.
pub(super) fn source(sink: &mut Sink, text: At<&str>, chat_config: &FileText, is_checkpoint: bool) {
    if *chat_config != FileText::Missing {
        let message = format!(
            "{} has a {}: it is converted already",
            quote(text.value),
            ChatConfig::FILE_NAME
        );
        let help = "remove `quantization` and `conv_template`, or name the raw checkpoint";
        sink.push(Diagnostic::new(Code::AlreadyConverted, text.span, message, help));
    } else if !is_checkpoint {
        let message = format!("the checkpoint {} has no config.json", quote(text.value));
        let help = "a raw checkpoint of Hugging Face is a config.json beside its weights";
        sink.push(Diagnostic::new(Code::IncompleteModel, text.span, message, help));
    }
}

/// Holds a conversion against a local checkpoint: MLC LLM must have the quantization for its
/// architecture, and its files must tell the template, unless the entry does.
pub(super) fn held_against(
    checker: &mut Checker,
    fields: &Fields,
    conversion: &Conversion,
    source: &ModelSource,
) {
    let ModelSource::Local(model) = source else { return };
    let Some(field) = fields.text(&mut checker.sink, "quantization") else { return };
    if let Some(missing) = checker.surroundings.not_in_mlc(&model.dir, conversion.quantization) {
        let message = format!(
            "{}: MLC LLM does not have {} for the architecture {}",
            fields.named("quantization"),
            quoted(field),
            quote(&missing.model_type)
        );
        let help = format!("choose another one: {}", missing.others.join(", "));
        checker.sink.push(Diagnostic::new(Code::InvalidChoice, field.span, message, help));
    }
    if conversion.conv_template.is_some() {
        return;
    }
    let Some(doubt) = checker.surroundings.template_doubt(&model.dir) else { return };
    let message = format!(
        "{} without a `conv_template`, and the checkpoint does not say which it needs: {}",
        fields.named("quantization"),
        doubt.why
    );
    let likely = match doubt.likely.as_slice() {
        [] => format!("one of {}", ConvTemplate::NAMES.join(", ")),
        likely => format!("likely {}; LM for a base model", likely.join(", ")),
    };
    let help = format!("add the template that it was trained with: {likely}");
    let found = Diagnostic::new(Code::MissingField, field.span, message, help);
    checker.sink.push(found.label("the checkpoint is converted"));
}

/// A raw checkpoint of which nobody says how to convert it.
pub(super) fn unconverted(text: At<&str>) -> Diagnostic {
    let message = format!("{} is a raw checkpoint, not a converted model", quote(text.value));
    let help = "to have it converted, add `\"quantization\": \"q4f16_1\"`; the `conv_template` that \
                it was trained with is only needed if its files do not say";
    Diagnostic::new(Code::IncompleteModel, text.span, message, help)
}
