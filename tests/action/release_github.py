"""GitHub as a release of this repository sees it: releases with their own assets, drafts that only
the list shows, and notes of what was changed. `gh` beside it stands in for GitHub's program, as
far as scripts/release.sh calls it, and asks this server."""

import hashlib
import http.server
import itertools
import json
import re
import stat
import subprocess
import threading
import urllib.parse

GH = '''#!{python}
"""`gh api` as scripts/release.sh calls it."""
import json, os, sys, urllib.request

arguments = sys.argv[1:]
assert arguments.pop(0) == "api", sys.argv
assert os.environ["GH_TOKEN"]
method, headers, fields, data, path = "GET", {{}}, {{}}, None, None
while arguments:
    word = arguments.pop(0)
    if word == "--paginate":
        pass
    elif word == "--method":
        method = arguments.pop(0)
    elif word == "--header":
        name, value = arguments.pop(0).split(": ", 1)
        headers[name] = value
    elif word == "--input":
        with open(arguments.pop(0), "rb") as file:
            data = file.read()
    elif word in ("--field", "--raw-field"):
        name, value = arguments.pop(0).split("=", 1)
        fields[name] = json.loads(value) if word == "--field" else value
    else:
        assert path is None and not word.startswith("-"), sys.argv
        path = word
if fields:
    data = json.dumps(fields).encode()
url = path if "://" in path else os.environ["GITHUB_API_URL"] + "/" + path
request = urllib.request.Request(url, data, headers, method=method)
try:
    with urllib.request.urlopen(request) as answer:
        sys.stdout.buffer.write(answer.read())
except urllib.error.HTTPError as error:
    sys.exit(f"gh: {{error.read().decode()}} (HTTP {{error.code}})")
'''


class ReleaseGitHub:
    """`bare`: the repository whose releases they are."""

    def __init__(self, bare):
        self.bare = bare
        self.releases = []
        self.data = {}
        self.numbers = itertools.count(1)
        # What was asked that changes something.
        self.changes = []
        # The names of uploads that break: the name stays behind, without its bytes.
        self.broken = set()
        # What every request is answered, while it is ill.
        self.ill = None
        # Tags that were still there when their draft was deleted.
        self.tags_of_dropped = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, value=None):
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                if status == 204:
                    body = b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def body(self):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def found(self, pattern):
                return re.fullmatch(pattern, urllib.parse.urlsplit(self.path).path)

            def do_GET(self):
                if outer.ill:
                    self.answer(outer.ill, {"message": "no server is available"})
                elif self.found("/repos/o/r/releases"):
                    page = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("page")
                    self.answer(200, [] if page and page != ["1"] else outer.releases)
                elif match := self.found("/repos/o/r/releases/tags/(.+)"):
                    out = [r for r in outer.releases if r["tag_name"] == match[1] and not r["draft"]]
                    self.answer(*((200, out[0]) if out else (404, {"message": "Not Found"})))
                elif match := self.found(r"/repos/o/r/releases/assets/(\d+)"):
                    self.answer(200, outer.data[int(match[1])])
                elif match := self.found(r"/repos/o/r/releases/(\d+)/assets"):
                    page = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("page")
                    assets = outer.numbered(match[1])["assets"]
                    self.answer(200, [] if page and page != ["1"] else assets)
                elif match := self.found(r"/repos/o/r/releases/(\d+)"):
                    self.answer(200, outer.numbered(match[1]))
                else:
                    self.answer(404, {"message": f"Not Found: {self.path}"})

            def do_POST(self):
                body = self.body()
                if match := self.found(r"/upload/(\d+)"):
                    query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                    self.upload(outer.numbered(match[1]), query["name"][0], body)
                    return
                assert self.found("/repos/o/r/releases"), self.path
                fields = json.loads(body)
                outer.changes.append(("POST", fields["tag_name"]))
                release = outer.new(fields)
                outer.releases.append(release)
                self.answer(201, release)

            def upload(self, release, name, data):
                outer.changes.append(("upload", name))
                if any(asset["name"] == name for asset in release["assets"]):
                    error = [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]
                    self.answer(422, {"message": "Validation Failed", "errors": error})
                    return
                whole = name not in outer.broken
                outer.broken.discard(name)
                release["assets"].append(asset := outer.asset(name, data, whole))
                if whole:
                    self.answer(201, asset)
                else:
                    self.answer(502, {"message": "Bad Gateway"})

            def do_PATCH(self):
                fields = json.loads(self.body())
                match = self.found(r"/repos/o/r/releases/(\d+)")
                outer.changes.append(("PATCH", fields))
                release = outer.numbered(match[1])
                release.update(fields)
                self.answer(200, release)

            def do_DELETE(self):
                if match := self.found(r"/repos/o/r/releases/assets/(\d+)"):
                    for release in outer.releases:
                        kept = [a for a in release["assets"] if a["id"] != int(match[1])]
                        release["assets"][:] = kept
                elif match := self.found(r"/repos/o/r/releases/(\d+)"):
                    release = outer.numbered(match[1])
                    outer.tags_of_dropped |= outer.tags() & {release["tag_name"]}
                    outer.releases.remove(release)
                else:
                    # Rules leave the tags of releases to the deploy key.
                    self.answer(422, {"message": "Repository rule violations found"})
                    return
                outer.changes.append(("DELETE", self.path))
                self.answer(204)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tags(self):
        command = ["git", "-C", self.bare, "tag", "--list"]
        return set(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.split())

    def numbered(self, number):
        return next(release for release in self.releases if release["id"] == int(number))

    def new(self, fields):
        number = next(self.numbers)
        base = f"{self.url}/repos/o/r/releases/{number}"
        return {
            "id": number,
            "node_id": "R",
            "url": base,
            "html_url": f"https://github.invalid/o/r/releases/tag/{fields['tag_name']}",
            "assets_url": f"{base}/assets",
            "upload_url": f"{self.url}/upload/{number}{{?name,label}}",
            "tag_name": fields["tag_name"],
            "target_commitish": fields.get("target_commitish", "main"),
            "name": fields.get("name"),
            "body": "notes" if fields.get("generate_release_notes") else None,
            "draft": fields.get("draft", False),
            "prerelease": fields.get("prerelease", False),
            "immutable": False,
            "created_at": "2026-01-01T00:00:00Z",
            "published_at": None,
            "author": None,
            "assets": [],
        }

    def asset(self, name, data, whole=True):
        number = next(self.numbers)
        self.data[number] = data
        return {
            "id": number,
            "node_id": "A",
            "url": f"{self.url}/repos/o/r/releases/assets/{number}",
            "browser_download_url": f"{self.url}/download/{name}",
            "name": name,
            "label": None,
            "state": "uploaded" if whole else "starter",
            "content_type": "application/gzip",
            "size": len(data) if whole else 0,
            "digest": "sha256:" + hashlib.sha256(data).hexdigest() if whole else None,
            "download_count": 0,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "uploader": None,
        }

    def program(self, directory, python):
        """Puts the stand-in for `gh` into a directory."""
        path = directory / "gh"
        path.write_text(GH.format(python=python))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
