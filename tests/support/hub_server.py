"""A stand-in for the hub on this machine: datasets are made, committed to, listed and read.

    with hub(monkeypatch) as stand_in:
        HfApi().upload_folder(...)          datasets.load_dataset("me/rows")
        stand_in.files["me/rows"]           {"README.md": b"...", ...}
        stand_in.requests                   [("PUT", "/api/..."), ...] of all that was asked

What ``huggingface_hub`` and ``datasets`` ask for, and no more; a revision is the number of commits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import datasets
import pytest
from huggingface_hub import constants

_INFO = re.compile(r"/api/datasets/([^/]+/[^/]+?)(?:/revision/[^/]+)?")
_TREE = re.compile(r"/api/datasets/([^/]+/[^/]+)/tree/[^/]+(?:/(.*))?")
_PATHS = re.compile(r"/api/datasets/([^/]+/[^/]+)/paths-info/[^/]+")
_PREPARE = re.compile(r"/api/datasets/([^/]+/[^/]+)/preupload/[^/]+")
_COMMIT = re.compile(r"/api/datasets/([^/]+/[^/]+)/commit/[^/]+")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.*)")
Files = dict[str, bytes]


@dataclass
class Hub:
    """What the stand-in holds and was asked; ``cut_at`` bytes of a file are sent, then no more."""

    files: dict[str, Files] = field(default_factory=lambda: defaultdict(dict))
    commits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    refuse: int | None = None

    def revision(self, name: str) -> str:
        """A commit's name, as the hub's look."""
        return f"{self.commits[name]:040x}"

    def entry(self, name: str, path: str) -> dict[str, object]:
        """What a listing says of a file."""
        content = self.files[name][path]
        return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""

    def _answer(self, value: object, status: int = 200) -> None:
        self._bytes(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def _bytes(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for key, told in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, told)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        """A dataset's description, a listing or a file."""
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        if self.hub.refuse:
            self._answer({"error": "refused"}, self.hub.refuse)
        elif found := _TREE.fullmatch(path):
            self._tree(found[1], found[2] or "")
        elif (found := _INFO.fullmatch(path)) and found[1] in self.hub.files:
            self._info(found[1])
        elif (found := _FILE.fullmatch(path)) and found[2] in self.hub.files[found[1]]:
            self._file(found[1], found[2])
        else:
            self.send_response(404)
            self.send_header(
                "X-Error-Code", "EntryNotFound" if _FILE.match(path) else "RepoNotFound"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_HEAD(self) -> None:
        """The same without what it holds."""
        self.do_GET()

    def _info(self, name: str) -> None:
        files = self.hub.files[name]
        self._answer(
            {
                "id": name, "sha": self.hub.revision(name), "private": True, "tags": [],
                "siblings": [{"rfilename": path, "size": len(files[path]),
                              "blobId": _oid(files[path])} for path in sorted(files)],
            }
        )  # fmt: skip

    def _tree(self, name: str, below: str) -> None:
        inside = [p for p in sorted(self.hub.files[name]) if not below or p.startswith(f"{below}/")]
        folders = {str(folder) for p in inside for folder in list(Path(p).parents)[:-1]}
        listed = [
            {"type": "directory", "path": f, "oid": "0" * 40} for f in sorted(folders - {below})
        ]
        self._answer([*listed, *(self.hub.entry(name, path) for path in inside)])

    def _file(self, name: str, path: str) -> None:
        content = self.hub.files[name][path]
        headers = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": self.hub.revision(name),
                   "Accept-Ranges": "bytes"}  # fmt: skip
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            self._bytes(content, headers)
            return
        first, last = int(part[1]), min(int(part[2] or len(content) - 1), len(content) - 1)
        self.hub.sent += last + 1 - first
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._bytes(content[first : last + 1], headers, 206)

    def do_POST(self) -> None:
        """A new dataset, what to do with files, a commit, or what is at some paths."""
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.requests.append((self.command, path))
        if self.hub.refuse:
            self._answer({"error": "refused"}, self.hub.refuse)
        elif path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told.get('organization') or 'me'}/{told['name']}"
            self.hub.files[name].update({})
            self._answer({"url": f"{self._address()}/datasets/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif found := _PREPARE.fullmatch(path):
            held = self.hub.files[found[1]]
            self._answer(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False,
                            "oid": _oid(held[f["path"]]) if f["path"] in held else None}
                           for f in json.loads(body)["files"]]}
            )  # fmt: skip
        elif found := _COMMIT.fullmatch(path):
            self._commit(found[1], body)
        elif found := _PATHS.fullmatch(path):
            wanted = json.loads(body)["paths"]
            held = self.hub.files[found[1]]
            self._answer([self.hub.entry(found[1], p) for p in wanted if p in held])
        else:
            self._answer({"error": path}, 404)

    def _commit(self, name: str, body: bytes) -> None:
        for line in body.splitlines():
            step = json.loads(line)
            if step["key"] == "file":
                content = base64.b64decode(step["value"]["content"])
                self.hub.files[name][step["value"]["path"]] = content
        self.hub.commits[name] += 1
        oid = self.hub.revision(name)
        self._answer({"success": True, "commitOid": oid,
                      "commitUrl": f"{self._address()}/datasets/{name}/commit/{oid}"})  # fmt: skip

    def _address(self) -> str:
        return f"http://{self.headers['Host']}"


@contextmanager
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on a free port of this machine, which the libraries take for theirs."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", url)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
