use super::diagnostic::Sink;
use super::fields::{At, Fields};
use super::quote::quote;
use super::suggest::nearest;
use super::tree::{Language, Value};
use super::{Code, Diagnostic};
use crate::model::{OptFlags, OptFlagsError, Overrides};

/// Which integers an override may be.
#[derive(Clone, Copy, Debug)]
enum Allowed {
    /// A size, or -1 for the model's own.
    SizeOrOwn,
    /// A size, none, or -1 for the model's own.
    SizeNoneOrOwn,
    /// A size.
    Size,
}

impl Allowed {
    fn admits(self, value: i64) -> bool {
        match self {
            Self::SizeOrOwn => value == -1 || value > 0,
            Self::SizeNoneOrOwn => value >= -1,
            Self::Size => value > 0,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::SizeOrOwn => "a positive integer, or -1 for the model's own",
            Self::SizeNoneOrOwn => "0, a positive integer, or -1 for the model's own",
            Self::Size => "a positive integer",
        }
    }
}

/// Reads an entry's `overrides`. `null` means absent, as upstream has it.
pub(super) fn read(sink: &mut Sink, fields: &Fields) -> Overrides {
    fields.only_or(sink, Code::UnknownOverride, &Overrides::NAMES, |_| None);
    let mut int = |name, allowed| integer(sink, fields, name, allowed);
    let mut overrides = Overrides {
        context_window_size: int("context_window_size", Allowed::SizeOrOwn),
        sliding_window_size: int("sliding_window_size", Allowed::SizeOrOwn),
        prefill_chunk_size: int("prefill_chunk_size", Allowed::Size),
        attention_sink_size: int("attention_sink_size", Allowed::SizeNoneOrOwn),
        max_batch_size: int("max_batch_size", Allowed::Size),
        tensor_parallel_shards: int("tensor_parallel_shards", Allowed::Size),
        pipeline_parallel_stages: int("pipeline_parallel_stages", Allowed::Size),
        disaggregation: None,
        opt: None,
    };
    if !fields.is_null("disaggregation") {
        overrides.disaggregation = fields.boolean(sink, "disaggregation").map(|at| at.value);
    }
    if !fields.is_null("opt") {
        overrides.opt = fields.text(sink, "opt").and_then(|text| opt(sink, fields, text));
    }
    overrides
}

fn integer(sink: &mut Sink, fields: &Fields, name: &str, allowed: Allowed) -> Option<i64> {
    let value = fields.get(name)?;
    let (what, help) = match &value.value {
        Value::Null => return None,
        Value::Number(number) => match number.parse::<i64>() {
            Ok(value) if allowed.admits(value) => return Some(value),
            _ => (number.clone(), format!("write {}", allowed.wanted())),
        },
        Value::Text(text) if text.parse::<i64>().is_ok() => {
            ("a string".to_owned(), "write the number without quotes".to_owned())
        }
        other => {
            (Language::Json.type_name(other).to_owned(), format!("write {}", allowed.wanted()))
        }
    };
    let message = format!("{} cannot be {}", fields.named(name), shortened(&what));
    sink.push(Diagnostic::new(Code::InvalidOverride, value.head(), message, help));
    None
}

/// A number may have a million digits.
fn shortened(text: &str) -> String {
    match text.get(..40) {
        Some(start) => format!("{start}…"),
        None => text.to_owned(),
    }
}

fn opt(sink: &mut Sink, fields: &Fields, text: At<&str>) -> Option<OptFlags> {
    let why = match text.value.parse::<OptFlags>() {
        Ok(flags) => return Some(flags),
        Err(why) => why,
    };
    let presets = ["O0", "O1", "O2", "O3"];
    let preset = presets.into_iter().find(|name| name.eq_ignore_ascii_case(text.value));
    let help = match (&why, preset) {
        (_, Some(preset)) => format!("did you mean `{preset}`?"),
        (OptFlagsError::Flag(name), _) => match nearest(name, OptFlags::NAMES) {
            Some(flag) => format!("did you mean `{flag}`?"),
            None => format!("the flags are {}", OptFlags::NAMES.join(", ")),
        },
        (OptFlagsError::Form(_), _) => {
            "write O0, O1, O2, O3, or flags such as `cublas_gemm=1;cudagraph=0`".to_owned()
        }
        (OptFlagsError::Value { expected, .. }, _) => format!("write one of {expected}"),
    };
    let message = match why {
        OptFlagsError::Flag(name) => {
            format!("{} has an unknown flag {}", fields.named("opt"), quote(&name))
        }
        OptFlagsError::Form(part) => {
            format!("{}: {} is not an optimization flag", fields.named("opt"), quote(&part))
        }
        OptFlagsError::Value { flag, found, .. } => {
            format!("{}: `{flag}` cannot be {}", fields.named("opt"), quote(&found))
        }
    };
    sink.push(Diagnostic::new(Code::InvalidOverride, text.span, message, help));
    None
}
