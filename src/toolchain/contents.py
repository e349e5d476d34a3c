# Follows probe.py, in an image: what is no wheel of an index is known by its files, which nobody but
# a program of the image can read. Writes JSON to the file argv[2]: a digest by the module's name.
import hashlib

NATIVE = (".so", ".dylib", ".dll", ".pyd")
LIBRARIES = {
    "mlc_llm": ("MLC_LIBRARY_PATH", ("build", "build/Release")),
    "tvm": ("TVM_LIBRARY_PATH", ("build", "build/Release", "build/lib", "lib")),
    "tvm_ffi": ("TVM_LIBRARY_PATH", ("build", "build/Release", "build/lib", "lib")),
}


def is_native(name):
    return ".so." in name or name.endswith(NATIVE)


def files_of(name, module):
    root = module["directory"]
    if not module["from_index"]:
        for directory, below, names in os.walk(root):
            below[:] = sorted(each for each in below if each != "__pycache__")
            for each in sorted(names):
                if each.endswith(".py") or is_native(each):
                    path = os.path.join(directory, each)
                    yield "package/" + os.path.relpath(path, root), path
    variable, in_tree = LIBRARIES[name]
    directories = [each for each in os.environ.get(variable, "").split(os.pathsep) if each]
    if not module["from_index"]:
        tree = os.path.dirname(os.path.dirname(os.path.realpath(root)))
        directories += [os.path.join(tree, each) for each in in_tree]
    for directory in directories:
        for each in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            path = os.path.join(directory, each)
            if is_native(each) and ("tvm" in each or "mlc" in each) and os.path.isfile(path):
                yield "library/" + each, path


def contents(name, module):
    whole, found = hashlib.sha256(), False
    for label, path in files_of(name, module):
        found = True
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        whole.update(f"{label}\0{digest}\n".encode())
    return whole.hexdigest() if found else None


with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(
        {
            "python": sys.executable,
            "files": {name: contents(name, each) for name, each in modules.items() if each},
        },
        file,
    )
