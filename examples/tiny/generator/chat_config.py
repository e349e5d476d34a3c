"""mlc-chat-config.json."""

from pathlib import Path
from typing import Any, Dict, List

from .files import write_json


def write_chat_config(
    directory: Path,
    model_type: str,
    quantization: str,
    model_config: Dict[str, Any],
    tokenizer_files: List[str],
    active_vocab_size: int,
    token_ids: Dict[str, int],
) -> None:
    """Write the file; `token_ids` holds the ids for padding, begin and end."""
    config = {
        "version": "0.1.0",
        "model_type": model_type,
        "quantization": quantization,
        "model_config": model_config,
        "vocab_size": model_config["vocab_size"],
        "context_window_size": model_config["context_window_size"],
        "sliding_window_size": -1,
        "prefill_chunk_size": model_config["prefill_chunk_size"],
        "attention_sink_size": -1,
        "tensor_parallel_shards": 1,
        "pipeline_parallel_stages": 1,
        "active_vocab_size": active_vocab_size,
        "temperature": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "top_p": 1.0,
        "tokenizer_files": tokenizer_files,
        "tokenizer_info": {
            "token_postproc_method": "byte_level",
            "prepend_space_in_encode": False,
            "strip_space_in_decode": False,
        },
        "conv_template": _conversation(token_ids),
        "pad_token_id": token_ids["pad"],
        "bos_token_id": token_ids["bos"],
        "eos_token_id": token_ids["eos"],
        "model_task": "chat",
        "embedding_metadata": None,
    }
    write_json(directory / "mlc-chat-config.json", config)


def _conversation(token_ids: Dict[str, int]) -> Dict[str, Any]:
    """Plain lines: `user: ...`, `assistant: ...`."""
    return {
        "name": "tiny",
        "system_template": "{system_message}",
        "system_message": "",
        "system_prefix_token_ids": [token_ids["bos"]],
        "add_role_after_system_message": True,
        "roles": {"user": "user", "assistant": "assistant"},
        "role_templates": {
            "user": "{user_message}",
            "assistant": "{assistant_message}",
            "tool": "{tool_message}",
        },
        "messages": [],
        "seps": ["\n"],
        "role_content_sep": ": ",
        "role_empty_sep": ":",
        "stop_str": [],
        "stop_token_ids": [token_ids["eos"]],
        "function_string": "",
        "use_function_calling": False,
    }
