# Tells which compiler a Python has, without importing it. Writes JSON to the file argv[1];
# what .pth files and site customizations print cannot get in between.
import importlib.metadata
import importlib.util
import json
import os
import re
import site
import sys
import urllib.parse
import urllib.request

# `-c` puts the working directory first. It is an empty one of ours.
sys.path[:] = [entry for entry in sys.path if entry]


def name_of(distribution):
    # A half-removed distribution has no metadata: that is None or an exception, by version.
    try:
        return re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
    except Exception:
        return ""


def directory_of(distribution):
    # The *.dist-info or *.egg-info. There is no public name for it.
    return str(getattr(distribution, "_path", "") or "")


def editable_root(distribution):
    url = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not url.get("dir_info", {}).get("editable"):
        return None
    return urllib.request.url2pathname(urllib.parse.urlparse(url["url"]).path)


def owners(name, origin):
    """Which distributions say that the module's file is theirs, and which of them were
    installed from an index; else the one whose source tree the file is in."""
    installed, sources = {}, {}
    relative = name + "/" + os.path.basename(origin)
    for distribution in importlib.metadata.distributions():
        record = distribution.read_text("RECORD")
        if record is not None and relative in record:
            located = os.path.realpath(str(distribution.locate_file(relative)))
            if located == os.path.realpath(origin):
                installed[directory_of(distribution)] = distribution
            continue
        root = editable_root(distribution)
        if root is None and record is None:
            if name in (distribution.read_text("top_level.txt") or "").split():
                root = os.path.dirname(directory_of(distribution))
        if root and os.path.realpath(origin).startswith(os.path.realpath(root) + os.sep):
            sources[len(os.path.realpath(root))] = distribution
    if installed:
        return list(installed.values()), True
    return [sources[max(sources)]] if sources else [], False


def describe(name):
    spec = importlib.util.find_spec(name)
    # A directory that an uninstallation left behind is found as a namespace package.
    if spec is None or not spec.has_location or not spec.submodule_search_locations:
        return None
    found, installed = owners(name, spec.origin)
    distribution = found[0] if len(found) == 1 and name_of(found[0]) else None
    name_and_version = (None, None)
    if distribution is not None:
        name_and_version = (name_of(distribution), distribution.metadata["Version"])
    return {
        "directory": os.path.dirname(os.path.abspath(spec.origin)),
        "distribution": name_and_version[0],
        "version": name_and_version[1],
        # From an index, a version says what is in it. A directory, a file or a repository can
        # give other contents under the same version; two owners say nothing.
        "from_index": bool(
            installed
            and all(name_and_version)
            and distribution.read_text("direct_url.json") is None
        ),
        "watch": [os.path.abspath(spec.origin)]
        + [
            os.path.join(directory_of(each), file)
            for each in found
            for file in ("METADATA", "PKG-INFO", "RECORD", "direct_url.json")
        ],
    }


def startup_files():
    directories = list(sys.path)
    if site.ENABLE_USER_SITE:
        directories.append(site.getusersitepackages())
    for directory in directories:
        yield directory
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            if name.endswith((".pth", ".egg-link")) or "editable" in name:
                yield os.path.join(directory, name)
    for name in ("sitecustomize", "usercustomize"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.has_location:
            yield spec.origin
    yield os.path.join(sys.prefix, "pyvenv.cfg")
    yield sys.executable
    yield os.path.realpath(sys.executable)


modules = {name: describe(name) for name in ("mlc_llm", "tvm", "tvm_ffi")}
watch = list(startup_files())
for module in modules.values():
    watch += module.pop("watch") if module else []
related = re.compile(r"mlc-(llm|ai)(-|$)|(apache-)?tvm(-|$)")
# What MLC LLM converts checkpoints with; the directories' names, which are watched, have their
# versions.
libraries = ("peft", "sentencepiece", "tiktoken", "tokenizers", "torch", "transformers")
answer = {
    "python": ".".join(map(str, sys.version_info[:3])),
    "modules": modules,
    "watch": sorted({os.path.abspath(path) for path in watch if path}),
    "distributions": sorted(
        {
            (name_of(each), each.metadata["Version"] or "")
            for each in importlib.metadata.distributions()
            if related.match(name_of(each))
        }
    ),
    "libraries": {
        # The first one is the one that is imported.
        name_of(each): each.metadata["Version"] or ""
        for each in reversed(list(importlib.metadata.distributions()))
        if name_of(each) in libraries
    },
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(answer, file)
