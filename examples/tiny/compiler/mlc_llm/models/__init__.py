"""The architectures, by model_type."""

from ..config import ModelConfig
from .decoder import Decoder
from .gpt_neox import GPTNeoX
from .llama import Llama
from .mistral import Mistral

MODELS = {"llama": Llama, "gpt_neox": GPTNeoX, "mistral": Mistral}


def create_model(config: ModelConfig) -> Decoder:
    """The model that a configuration describes."""
    return MODELS[config.model_type](config)
