"""A small stand-in for MLC LLM's compiler: real TVM libraries from two tiny models."""

__version__ = "0.1.0"
