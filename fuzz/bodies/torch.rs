//! What the target `torch` does with bytes: they are a checkpoint's `pytorch_model.bin`, a pickle of
//! strangers. Its tensors are found or it is refused, nothing is executed, and what is found is
//! converted if it is the model that the config says.

use std::num::NonZeroUsize;

use mlc_package::convert::weights::{self, Quantized, Request};
use mlc_package::io::cancel::Cancel;
use mlc_package::model::Quantization;
use mlc_package::stage_error::StageError as _;

use crate::place::{Place, Tree, tree};

/// The model of the corpus.
const CONFIG: &[u8] = br#"{"model_type": "llama", "hidden_size": 16, "intermediate_size": 24,
    "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1, "vocab_size": 10,
    "rms_norm_eps": 1e-05, "max_position_embeddings": 64}"#;

/// Says whether the file could be read.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let place = Place::with(&["checkpoint", "output"]);
    place.write("checkpoint/config.json", CONFIG);
    place.write("checkpoint/pytorch_model.bin", bytes);
    let (checkpoint, output) = (place.path("checkpoint"), place.path("output"));
    let before = tree(&checkpoint);
    let look = || Quantized::in_directory(&checkpoint).ok();
    let found = look();
    assert_eq!(look(), found, "the same twice");
    let request = Request {
        checkpoint: &checkpoint,
        model_type: None,
        quantization: Quantization::ALL[0],
        output: &output,
        allow_nonfinite: true,
        threads: NonZeroUsize::MIN,
        cancel: &Cancel::default(),
    };
    match weights::prepare(&request) {
        Ok(conversion) => {
            assert!(found.is_some(), "what is converted was read");
            // No tensor is longer than the file that it is in, however its strides repeat it.
            assert!(conversion.source_bytes() <= (1 << 20) + bytes.len() as u64);
            if let Err(error) = conversion.run(&|_| {}) {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(error.help().is_none_or(|help| !help.is_empty()));
            assert_eq!(tree(&output), Tree::new(), "nothing is written before it is planned");
        }
    }
    assert_eq!(tree(&checkpoint), before, "the checkpoint stays");
    found.is_some()
}
