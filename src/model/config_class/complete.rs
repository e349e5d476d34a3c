//! The steps that many classes share.

use super::{Completed, Refused, Rule, whole};

pub(super) fn apply(rule: Rule, config: &mut Completed) -> Result<(), Refused> {
    match rule {
        Rule::Source(_) => {}
        Rule::RopeBase => {
            if config.is_zero("position_embedding_base") {
                let base = config.take_other("rope_theta").unwrap_or_else(|| 10_000.into());
                config.set("position_embedding_base", base);
            }
        }
        Rule::Context(names) => {
            if !take_context(config, names)? {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                return Err(Refused(format!(
                    "it says nothing of the context: none of `context_window_size`, {}",
                    names.join(", ")
                )));
            }
        }
        Rule::Chunk(most) => {
            let context = config.int("context_window_size")?;
            let chunk = config.int("prefill_chunk_size")?;
            if chunk == 0 || chunk > context {
                config.set("prefill_chunk_size", context.min(most));
            }
        }
        Rule::ZeroIs(name, other) => {
            if config.is_zero(name) {
                copy(config, name, other);
            }
        }
        Rule::NothingIs(name, other) => {
            if config.is_nothing(name) {
                copy(config, name, other);
            }
        }
        Rule::NothingIsFourTimes(name, other) => {
            if config.is_nothing(name) {
                four_times(config, name, other)?;
            }
        }
        Rule::MinusOneIsFourTimes(name, other) => {
            let value = config.value(name);
            if value.is_null() || value.as_i64() == Some(-1) {
                four_times(config, name, other)?;
            }
        }
        Rule::Is(name, other) => copy(config, name, other),
        Rule::Divided(name, of, by) => {
            if config.is_zero(name) {
                let quotient = config.positive(of)? / config.positive(by)?;
                config.set(name, quotient);
            }
        }
        Rule::Product(one, two, whole) => {
            let (a, b, product) = (config.int(one)?, config.int(two)?, config.int(whole)?);
            if a.checked_mul(b) != Some(product) {
                return Err(Refused(format!(
                    "`{two}` {b} times `{one}` {a} is not `{whole}` {product}"
                )));
            }
        }
        Rule::Multiple(name, of) => {
            let (many, few) = (config.int(name)?, config.positive(of)?);
            if many % few != 0 {
                return Err(Refused(format!("`{name}` {many} is not a multiple of `{of}` {few}")));
            }
        }
        Rule::Stages => {
            let stages = config.int("pipeline_parallel_stages")?;
            let layers = config.int("num_hidden_layers")?;
            if !(1..=layers).contains(&stages) {
                return Err(Refused(format!(
                    "`pipeline_parallel_stages` is {stages}, and there are {layers} layers"
                )));
            }
        }
        Rule::Own(own) => own(config)?,
    }
    Ok(())
}

/// Whether there is a context, given or under one of the names.
pub(super) fn take_context(config: &mut Completed, names: &[&str]) -> Result<bool, Refused> {
    if !config.is_zero("context_window_size") {
        return Ok(true);
    }
    for name in names {
        if let Some(context) = config.take_other(name) {
            whole(name, &context)?;
            config.set("context_window_size", context);
            return Ok(true);
        }
    }
    Ok(false)
}

fn copy(config: &mut Completed, name: &str, other: &str) {
    let value = config.value(other).clone();
    config.set(name, value);
}

fn four_times(config: &mut Completed, name: &str, other: &str) -> Result<(), Refused> {
    let product = config.int(other)?.checked_mul(4);
    let product = product.ok_or_else(|| Refused(format!("`{other}` is too large")))?;
    config.set(name, product);
    Ok(())
}
