//! An entry's `quantization` and `conv_template`: a raw checkpoint that is to be converted.

use super::diagnostic::Sink;
use super::fields::{At, Fields};
use super::quote::quote;
use super::suggest::nearest;
use super::{Code, Diagnostic, FileText};
use crate::model::{ChatConfig, ConvTemplate, Conversion, HubRepo, Quantization};

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
    let quantization = fields.string(sink, "quantization");
    let template = fields.string(sink, "conv_template");
    let conv_template = template.and_then(|text| {
        text.value.parse::<ConvTemplate>().map_err(|_| sink.push(template_of(fields, text))).ok()
    });
    if let (Some(text), false) = (template, is_asked(fields)) {
        let message = format!("{} without a `quantization`", fields.path("conv_template"));
        let help = "a raw checkpoint is converted with both: add `\"quantization\": \"q4f16_1\"`; \
                    of a converted model remove it";
        sink.push(Diagnostic::new(Code::MissingField, text.span, message, help));
    }
    let text = quantization?;
    if fields.get("conv_template").is_none() {
        let message = format!("{} without a `conv_template`", fields.path("quantization"));
        let help = format!(
            "add how the model expects conversations: one of {}",
            ConvTemplate::NAMES.join(", ")
        );
        let found = Diagnostic::new(Code::MissingField, text.span, message, help);
        sink.push(found.label("a raw checkpoint is converted"));
    }
    if let Some(model) = model {
        bundled(sink, fields, model, bundle);
    }
    match text.value.parse::<Quantization>() {
        Ok(quantization) => Some(Conversion { quantization, conv_template: conv_template? }),
        Err(_) => {
            sink.push(quantization_of(fields, text));
            None
        }
    }
}

fn quantization_of(fields: &Fields, text: At<&str>) -> Diagnostic {
    let names = Quantization::names();
    let message = format!("{}: unknown quantization {}", fields.path("quantization"), quoted(text));
    let known = format!("known are {}", names.join(", "));
    // The layout that is left out is most often this one.
    let usual = format!("{}_1", text.value);
    let usual = names.iter().copied().find(|name| *name == usual);
    let help = match usual.or_else(|| nearest(text.value, names)) {
        Some(meant) => format!("did you mean `{meant}`? {known}"),
        None => known,
    };
    Diagnostic::new(Code::InvalidChoice, text.span, message, help)
}

fn template_of(fields: &Fields, text: At<&str>) -> Diagnostic {
    let message =
        format!("{}: unknown conversation template {}", fields.path("conv_template"), quoted(text));
    let help = match nearest(text.value, ConvTemplate::NAMES) {
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
        let help = "a raw checkpoint of Hugging Face is a config.json beside safetensors";
        sink.push(Diagnostic::new(Code::IncompleteModel, text.span, message, help));
    }
}

/// A raw checkpoint of which nobody says how to convert it.
pub(super) fn unconverted(text: At<&str>) -> Diagnostic {
    let message = format!("{} is a raw checkpoint, not a converted model", quote(text.value));
    let help = "to have it converted, add `\"quantization\": \"q4f16_1\"` and the \
                `conv_template` that it was trained with";
    Diagnostic::new(Code::IncompleteModel, text.span, message, help)
}
