"""The little of GitHub's API that a comment takes. The publishing tests have all of it; here it is
about which token reaches it, and what the action makes of a refusal."""

import http.server
import json
import threading


class GitHub:
    def __init__(self, may_write=True):
        self.comments, self.requests = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, value):
                body = json.dumps(value).encode()
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
                else:
                    self.answer(200, {"login": "github-actions[bot]", "id": 1, "type": "Bot"})

            def do_POST(self):
                body = self.note()
                if not may_write:
                    message = {"message": "Resource not accessible by integration"}
                    self.answer(403, message)
                    return
                user = {"login": "github-actions[bot]", "id": 1, "type": "Bot"}
                comment = {"id": len(outer.comments) + 1, "user": user, "body": body["body"]}
                outer.comments.append(comment)
                self.answer(201, comment)

            def do_PATCH(self):
                body = self.note()
                number = int(self.path.rsplit("/", 1)[1])
                outer.comments[number - 1]["body"] = body["body"]
                self.answer(200, outer.comments[number - 1])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
