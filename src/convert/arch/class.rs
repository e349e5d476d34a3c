//! `model_config`: the fields of upstream's configuration class of an architecture, in its order.
//! What `config.json` has besides is looked into by the rules, and not written.

use serde_json::{Map, Value};

/// A field and what it is where `config.json` does not have it.
pub(in crate::convert) type Field = (&'static str, Default);

/// What a field is unless it is given.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum Default {
    Required,
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'static str),
}

/// Completes or checks some fields, as upstream does after it has read them.
pub(in crate::convert) type Rule = fn(&mut ModelConfig) -> Result<(), Invalid>;

/// What is wrong with a `config.json`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::convert) struct Invalid(pub(in crate::convert) String);

#[derive(Clone, Debug)]
pub(in crate::convert) struct ModelConfig {
    pub(in crate::convert) fields: Map<String, Value>,
    /// What is not a field.
    pub(in crate::convert) others: Map<String, Value>,
}

impl ModelConfig {
    /// Takes the fields out of `source` and applies the rules.
    pub(in crate::convert) fn read(
        table: &[Field],
        rules: &[Rule],
        source: Map<String, Value>,
    ) -> Result<Self, Invalid> {
        let mut others = source;
        let mut fields = Map::new();
        for (name, default) in table {
            // `shift_remove` keeps the order of the rest.
            let value = match (others.shift_remove(*name), default) {
                (Some(value), _) => value,
                (None, Default::Required) => return Err(Invalid(format!("it has no `{name}`"))),
                (None, Default::Null) => Value::Null,
                (None, Default::Int(int)) => (*int).into(),
                (None, Default::Float(float)) => (*float).into(),
                (None, Default::Bool(truth)) => (*truth).into(),
                (None, Default::Text(text)) => (*text).into(),
            };
            fields.insert((*name).to_owned(), value);
        }
        let mut config = Self { fields, others };
        for rule in rules {
            rule(&mut config)?;
        }
        Ok(config)
    }

    pub(in crate::convert) fn value(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    pub(in crate::convert) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// A field that has to be a whole number.
    pub(in crate::convert) fn int(&self, name: &str) -> Result<i64, Invalid> {
        whole(name, self.value(name))
    }

    /// Whether a field is 0, which upstream takes for "not given".
    pub(in crate::convert) fn is_zero(&self, name: &str) -> bool {
        self.value(name).as_f64() == Some(0.0)
    }

    /// Takes something out of what is not a field.
    pub(in crate::convert) fn take_other(&mut self, name: &str) -> Option<Value> {
        self.others.shift_remove(name)
    }
}

/// The whole number that a value has to be.
pub(in crate::convert) fn whole(name: &str, value: &Value) -> Result<i64, Invalid> {
    value.as_i64().ok_or_else(|| match value {
        // A hostile value may be long.
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Invalid(format!("`{name}` is {value}, not a whole number"))
        }
        _ => Invalid(format!("`{name}` is not a whole number")),
    })
}
