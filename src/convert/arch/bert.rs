//! BERT, for embeddings. `bert-bge` is the same but for what is needless.

use super::row::Dim::{Hidden, Intermediate, Named, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, Embeds, PLAIN};

pub(super) const BERT: Architecture = Architecture {
    model_type: "bert",
    rows: &[
        embedding("embeddings.word_embeddings.weight", Vocab, Hidden),
        embedding("embeddings.position_embeddings.weight", Named("context_window_size"), Hidden),
        embedding("embeddings.token_type_embeddings.weight", Named("type_vocab_size"), Hidden),
        vector("embeddings.LayerNorm.weight", Hidden),
        vector("embeddings.LayerNorm.bias", Hidden),
        fused(
            "encoder.layer.{}.attention.self.qkv.weight",
            &[
                ("encoder.layer.{}.attention.self.query.weight", Query),
                ("encoder.layer.{}.attention.self.key.weight", Query),
                ("encoder.layer.{}.attention.self.value.weight", Query),
            ],
            Hidden,
        ),
        fused_vector(
            "encoder.layer.{}.attention.self.qkv.bias",
            &[
                ("encoder.layer.{}.attention.self.query.bias", Query),
                ("encoder.layer.{}.attention.self.key.bias", Query),
                ("encoder.layer.{}.attention.self.value.bias", Query),
            ],
        ),
        linear("encoder.layer.{}.attention.output.dense.weight", Hidden, Hidden),
        vector("encoder.layer.{}.attention.output.dense.bias", Hidden),
        vector("encoder.layer.{}.attention.output.LayerNorm.weight", Hidden),
        vector("encoder.layer.{}.attention.output.LayerNorm.bias", Hidden),
        linear("encoder.layer.{}.intermediate.dense.weight", Intermediate, Hidden),
        vector("encoder.layer.{}.intermediate.dense.bias", Intermediate),
        linear("encoder.layer.{}.output.dense.weight", Hidden, Intermediate),
        vector("encoder.layer.{}.output.dense.bias", Hidden),
        vector("encoder.layer.{}.output.LayerNorm.weight", Hidden),
        vector("encoder.layer.{}.output.LayerNorm.bias", Hidden),
    ],
    embeds: Some(Embeds { model_type: "encoder", pooling_strategy: "cls", normalize: true }),
    ..PLAIN
};

pub(super) const BERT_BGE: Architecture = Architecture {
    model_type: "bert-bge",
    unused: &["pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids"],
    ..BERT
};
