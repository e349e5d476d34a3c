"""The little of GitHub's API that a comment and a release take. The publishing tests have all of
it; here it is about which token reaches it, and what the action makes of a refusal."""

import functools
import hashlib
import http.server
import itertools
import json
import re
import threading
import urllib.parse


class GitHub:
    def __init__(self, may_write=True):
        self.comments, self.requests = [], []
        self.pulls = []
        self.releases, self.assets = [], {}
        # Files come at the same time.
        self.numbers = itertools.count(1)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, value):
                self.send(status, json.dumps(value).encode())

            def send(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def note(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                token = self.headers.get("Authorization", "")
                outer.requests.append((self.command, self.path, token))
                return json.loads(body) if body else None

            def do_GET(self):
                self.note()
                if "/comments" in self.path:
                    self.answer(200, outer.comments)
                elif "/pulls" in self.path:
                    self.answer(200, [outer.pull(**pull) for pull in outer.pulls])
                elif re.search(r"/assets/\d+$", self.path):
                    number = int(self.path.rsplit("/", 1)[1])
                    data = [data for asset, data in outer.assets.values() if asset["id"] == number]
                    self.send(200, data[0])
                elif "/assets" in self.path:
                    self.answer(200, [asset for asset, _ in outer.assets.values()])
                elif self.path.endswith("/releases/latest"):
                    found = [release for release in outer.releases if not release["draft"]]
                    self.answer(*((200, found[-1]) if found else (404, {"message": "Not Found"})))
                elif "/releases/tags/" in self.path:
                    tag = self.path.rsplit("/", 1)[1]
                    found = [r for r in outer.releases if r["tag_name"] == tag and not r["draft"]]
                    self.answer(*((200, found[0]) if found else (404, {"message": "Not Found"})))
                elif "/releases" in self.path:
                    self.answer(200, outer.releases)
                else:
                    self.answer(200, {"login": "github-actions[bot]", "id": 1, "type": "Bot"})

            def do_POST(self):
                if "/upload/" in self.path:
                    self.upload()
                    return
                body = self.note()
                if not may_write:
                    message = {"message": "Resource not accessible by integration"}
                    self.answer(403, message)
                    return
                if self.path.endswith("/releases"):
                    release = outer.release(body)
                    outer.releases.append(release)
                    self.answer(201, release)
                    return
                user = {"login": "github-actions[bot]", "id": 1, "type": "Bot"}
                comment = {"id": len(outer.comments) + 1, "user": user, "body": body["body"]}
                outer.comments.append(comment)
                self.answer(201, comment)

            def upload(self):
                outer.requests.append(("POST", self.path, self.headers.get("Authorization", "")))
                data = self.rfile.read(int(self.headers["Content-Length"]))
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                name, number = query["name"][0], next(outer.numbers)
                asset = {
                    "id": number,
                    "node_id": "A",
                    "url": f"{outer.url}/repos/owner/app/releases/assets/{number}",
                    "browser_download_url": f"{outer.url}/download/{name}",
                    "name": name,
                    "label": None,
                    "state": "uploaded",
                    "content_type": "application/octet-stream",
                    "size": len(data),
                    "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
                    "download_count": 0,
                    "created_at": "2026-01-01T00:00:00Z",
                    "updated_at": "2026-01-01T00:00:00Z",
                    "uploader": None,
                }
                outer.assets[name] = (asset, data)
                self.answer(201, asset)

            def do_PATCH(self):
                body = self.note()
                if "/releases/" in self.path:
                    outer.releases[-1].update(body)
                    self.answer(200, outer.releases[-1])
                    return
                number = int(self.path.rsplit("/", 1)[1])
                outer.comments[number - 1]["body"] = body["body"]
                self.answer(200, outer.comments[number - 1])

            def do_DELETE(self):
                self.note()
                number = int(self.path.rsplit("/", 1)[1])
                for name, (asset, _) in list(outer.assets.items()):
                    if asset["id"] == number:
                        del outer.assets[name]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pull(self, number, head):
        fork = {"id": 9, "full_name": "stranger/app", "owner": {"login": "stranger"}}
        base = {"ref": "main", "sha": "b" * 40, "repo": {"id": 1, "full_name": "owner/app"}}
        return {
            "number": number,
            "state": "open",
            "head": {"ref": "a-model", "sha": head, "repo": fork, "label": "stranger:a-model"},
            "base": base,
            "labels": [],
        }

    def release(self, body):
        base = f"{self.url}/repos/owner/app/releases/1"
        return {
            "id": 1,
            "node_id": "R",
            "url": base,
            "html_url": f"https://github.invalid/owner/app/releases/tag/{body['tag_name']}",
            "assets_url": f"{base}/assets",
            "upload_url": f"{self.url}/upload/releases/1/assets{{?name,label}}",
            "tag_name": body["tag_name"],
            "target_commitish": body.get("target_commitish", "main"),
            "name": body.get("name"),
            "body": None,
            "draft": body.get("draft", False),
            "prerelease": body.get("prerelease", False),
            "immutable": False,
            "created_at": "2026-01-01T00:00:00Z",
            "published_at": None,
            "author": None,
            "assets": [],
        }

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@functools.cache
def of_nothing():
    """The address of one for jobs that are about something else: no releases, no comments."""
    return GitHub().url
