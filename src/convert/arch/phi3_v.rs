//! Phi 3 and 3.5 Vision. The part that sees is CLIP-L whatever the config says, and is not
//! quantized; the projection behind it is.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{GateUp, Hidden, Intermediate, Is, Of, Qkv, Query, Vocab};
use super::row::{Dim, embedding, linear, tensor, vector};
use super::{Architecture, PLAIN};

pub(super) const PHI3_V: Architecture = Architecture {
    model_type: "phi3_v",
    rows: &[
embedding("model.embd.weight", Vocab, Hidden).from("model.embed_tokens.weight"),
linear("model.h.{}.mixer.qkv_proj.weight", Qkv, Hidden).from("model.layers.{}.self_attn.qkv_proj.weight"),
linear("model.h.{}.mixer.out_proj.weight", Hidden, Query).from("model.layers.{}.self_attn.o_proj.weight"),
linear("model.h.{}.mlp.gate_up_proj.weight", GateUp, Hidden).from("model.layers.{}.mlp.gate_up_proj.weight"),
linear("model.h.{}.mlp.down_proj.weight", Hidden, Intermediate).from("model.layers.{}.mlp.down_proj.weight"),
vector("model.h.{}.ln.weight", Hidden).from("model.layers.{}.input_layernorm.weight"),
vector("model.h.{}.post_attention_layernorm.weight", Hidden).from("model.layers.{}.post_attention_layernorm.weight"),
vector("model.norm.weight", Hidden),
linear("lm_head.weight", Vocab, Hidden),
tensor("vision_embed_tokens.glb_GN", &[Is(1), Is(1), Of(image_dim)]),
tensor("vision_embed_tokens.sub_GN", &[Is(1), Is(1), Is(1), Of(image_dim)]),
linear("vision_embed_tokens.img_projection.linear_1.weight", Hidden, Is(4 * 1024)).from("model.vision_embed_tokens.img_projection.0.weight"),
vector("vision_embed_tokens.img_projection.linear_1.bias", Hidden).from("model.vision_embed_tokens.img_projection.0.bias"),
linear("vision_embed_tokens.img_projection.linear_2.weight", Hidden, Hidden).from("model.vision_embed_tokens.img_projection.2.weight"),
vector("vision_embed_tokens.img_projection.linear_2.bias", Hidden).from("model.vision_embed_tokens.img_projection.2.bias"),
tensor("vision_embed_tokens.img_processor.vision_model.embeddings.class_embedding", &[WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.embeddings.patch_embedding.weight", &[WIDTH, Is(3), Is(14), Is(14)]),
tensor("vision_embed_tokens.img_processor.vision_model.embeddings.position_embedding.weight", &[POSITIONS, WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.pre_layrnorm.weight", &[WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.pre_layrnorm.bias", &[WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.post_layernorm.weight", &[WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.post_layernorm.bias", &[WIDTH]),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.layer_norm1.weight", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.layer_norm1.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.layer_norm2.weight", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.layer_norm2.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.q_proj.weight", &[WIDTH, WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.q_proj.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.k_proj.weight", &[WIDTH, WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.k_proj.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.v_proj.weight", &[WIDTH, WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.v_proj.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.out_proj.weight", &[WIDTH, WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.self_attn.out_proj.bias", &[WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.mlp.fc1.weight", &[INNER, WIDTH]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.mlp.fc1.bias", &[INNER]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.mlp.fc2.weight", &[WIDTH, INNER]).repeated(LAYERS),
tensor("vision_embed_tokens.img_processor.vision_model.encoder.layers.{}.mlp.fc2.bias", &[WIDTH]).repeated(LAYERS),
    ],
    // Upstream does not count it, though it is used.
    uncounted: &["model.embed_tokens.weight"],
    source_name: Some(source_name),
    ..PLAIN
};

const WIDTH: Dim = Is(1024);
const INNER: Dim = Is(4096);
const LAYERS: Dim = Is(24);
/// 24 times 24 patches of 14 pixels, and the class.
const POSITIONS: Dim = Is(577);

fn image_dim(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(4 * config.inner_size("img_processor", "image_dim_out")?)
}

fn source_name(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    let is_seeing = name.starts_with("vision_embed_tokens.");
    Ok(if is_seeing { format!("model.{name}") } else { name.to_owned() })
}
