"""The one error that reaches a person without a traceback."""


class CompileError(Exception):
    """The request is well formed but cannot be compiled."""
