use camino::Utf8Path;
use serde::Serialize;

use crate::model::{Device, HubRepo, LibraryName, ModelId, ModelSource, to_python_json};

/// What the app is told of one model.
pub struct AppModel<'a> {
    /// Its name.
    pub model_id: &'a ModelId,
    /// The library it loads.
    pub model_lib: &'a LibraryName,
    /// Where it comes from.
    pub source: &'a ModelSource,
    /// Whether the source is a raw checkpoint, which no app can load.
    pub converted: bool,
    /// Whether its files are in the app.
    pub bundled: bool,
    /// The memory it needs, in bytes.
    pub estimated_vram_bytes: u64,
}

#[derive(Serialize)]
struct AppConfig<'a> {
    model_list: Vec<Entry<'a>>,
}

/// The fields in upstream's order.
#[derive(Serialize)]
struct Entry<'a> {
    model_id: &'a ModelId,
    model_lib: &'a LibraryName,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_path: Option<&'a ModelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_url: Option<String>,
    estimated_vram_bytes: u64,
}

/// The text of `mlc-app-config.json`, as upstream writes it
/// (`mlc_llm/interface/package.py`): what both apps read at their first start.
pub fn app_config(device: Device, models: &[AppModel<'_>]) -> Result<String, serde_json::Error> {
    let model_list = models
        .iter()
        .map(|model| {
            let in_app = model.bundled && device.is_apple();
            Entry {
                model_id: model.model_id,
                model_lib: model.model_lib,
                model_path: in_app.then_some(model.model_id),
                model_url: (!in_app).then(|| model_url(model)),
                estimated_vram_bytes: model.estimated_vram_bytes,
            }
        })
        .collect();
    Ok(to_python_json(&AppConfig { model_list })? + "\n")
}

/// Android's app wants a URL even for weights that are pushed to the phone. A path of the
/// builder's machine is of no use to it and nobody's business: an absolute one becomes the
/// model's id, and so does what is not the model yet.
fn model_url(model: &AppModel<'_>) -> String {
    if model.converted {
        return model.model_id.to_string();
    }
    let written = model.source.as_written();
    match model.source {
        ModelSource::Hub(repo) if written.to_ascii_uppercase().starts_with("HF://") => {
            HubRepo::url(repo)
        }
        ModelSource::Local(_) if Utf8Path::new(written).is_absolute() => model.model_id.to_string(),
        _ => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AppModel, app_config};
    use crate::model::{Device, LibraryName, LocalModel, ModelId, ModelSource};

    fn text(device: Device, source: &ModelSource, bundled: bool) -> String {
        let model_id: ModelId = "phi-é".parse().unwrap();
        let model_lib: LibraryName = "phi_q4".parse().unwrap();
        let model = AppModel {
            converted: false,
            model_id: &model_id,
            model_lib: &model_lib,
            source,
            bundled,
            estimated_vram_bytes: 3_000_000_000,
        };
        app_config(device, &[model]).unwrap()
    }

    #[test]
    fn it_is_upstreams_byte_for_byte() {
        let hub = ModelSource::Hub("HF://mlc-ai/phi-2".parse().unwrap());
        let expected = |line: &str| {
            format!(
                "{{\n  \"model_list\": [\n    {{\n      \"model_id\": \"phi-\\u00e9\",\n      \
                 \"model_lib\": \"phi_q4\",\n      {line},\n      \
                 \"estimated_vram_bytes\": 3000000000\n    }}\n  ]\n}}\n"
            )
        };
        let url = expected("\"model_url\": \"https://huggingface.co/mlc-ai/phi-2\"");
        assert_eq!(text(Device::Android, &hub, false), url);
        assert_eq!(text(Device::Android, &hub, true), url);
        assert_eq!(text(Device::Iphone, &hub, false), url);
        let path = expected("\"model_path\": \"phi-\\u00e9\"");
        assert_eq!(text(Device::Iphone, &hub, true), path);
        assert_eq!(text(Device::Macabi, &hub, true), path);
        assert_eq!(app_config(Device::Iphone, &[]).unwrap(), "{\n  \"model_list\": []\n}\n");
    }

    #[test]
    fn no_path_of_the_builders_machine_gets_out() {
        let local = |written: &str| {
            let model = LocalModel { written: written.into(), dir: "/home/me/models/phi".into() };
            text(Device::Android, &ModelSource::Local(model), true)
        };
        assert!(local("/home/me/models/phi").contains("\"model_url\": \"phi-\\u00e9\""));
        assert!(local("../models/phi").contains("\"model_url\": \"../models/phi\""));
    }
}
