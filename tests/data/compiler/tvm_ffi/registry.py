"""The functions that Python registers for TVM, by name."""

functions = {}


def register_global_func(func_name, f=None, override=False):
    def register(function):
        if func_name in functions and not override:
            raise ValueError(f"Global Function `{func_name}` is already registered")
        functions[func_name] = function
        return function

    return register if f is None else register(f)


def get_global_func(name, allow_missing=False):
    if name not in functions and not allow_missing:
        raise ValueError(f"Cannot find global function {name}")
    return functions.get(name)
