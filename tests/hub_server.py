"""A hub on loopback: folders served over the hub's HTTP interface, with faults on demand.

Enough of the interface for `datasets`, `huggingface_hub` and `sentence_transformers` to resolve a revision, list,
download and cache: repository information, the tree, path information, and files with their etags.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Fault:
    """What goes wrong for paths that contain `where`: a status, a cut connection or a truncated file."""

    where: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # the connection breaks half-way through the body
    truncate: bool = False  # the body is shorter than the file, and says so


class LoopbackHub:
    """Serves repositories: `add(kind, id, folder, revisions)`; `fault` applies until it is set to None."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], dict[str, tuple[str, Path]]] = {}
        self.fault: Fault | None = None
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, kind: str, repo: str, folder: Path, *revisions: str) -> str:
        """Serve a folder under these revision names and its own commit, which is returned."""
        commit = hashlib.sha1(f"{kind}{repo}{folder}".encode()).hexdigest()
        names = self.repos.setdefault((kind, repo), {})
        for name in (commit, *(revisions or ("main",))):
            names[name] = (commit, folder)
        return commit

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.posted = self.rfile.read(length)
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        fault = self.hub.fault
        if fault is not None and fault.where in path and fault.status:
            self._send(fault.status, b"{}", fault.headers, body=body)
            return
        if path == "/":
            self._send(200, b"", {}, body=body)
        elif path.startswith("/api/"):
            self._api(path.removeprefix("/api/"), body=body)
        else:
            self._file(path.lstrip("/"), fault if fault is not None and fault.where in path else None, body=body)

    def _find(self, path: str) -> tuple[str, str, str, dict[str, tuple[str, Path]]] | None:
        """Split a path into kind, repository, the rest and the repository's revisions."""
        for (kind, repo), revisions in self.hub.repos.items():
            for prefix in (f"{kind}/{repo}", repo if kind == "models" else None):
                if prefix and (path == prefix or path.startswith(prefix + "/")):
                    return kind, repo, path[len(prefix) :].lstrip("/"), revisions
        return None

    def _api(self, path: str, *, body: bool) -> None:
        found = self._find(path)
        if found is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
            return
        _, repo, rest, revisions = found
        verb, _, tail = rest.partition("/")
        revision, inside = self._revision(tail, revisions)
        if revision is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body=body)
            return
        commit, folder = revisions[revision]
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        if verb == "tree":
            answer: Any = self._tree(folder, inside)
            if answer is None:
                self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body=body)
                return
        elif verb == "paths-info":
            asked = json.loads(self.posted)["paths"]
            answer = [self._entry(folder, folder / name) for name in asked if (folder / name).exists()]
        else:
            siblings = [{"rfilename": str(file.relative_to(folder))} for file in files]
            answer = {
                "id": repo,
                "modelId": repo,
                "sha": commit,
                "siblings": siblings,
                "private": False,
                "gated": False,
            }
            answer |= {"tags": [], "disabled": False, "downloads": 0, "likes": 0}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"}, body=body)

    @staticmethod
    def _revision(path: str, revisions: dict[str, tuple[str, Path]]) -> tuple[str | None, str]:
        for name in sorted(revisions, key=len, reverse=True):
            if path == name or path.startswith(name + "/"):
                return name, path[len(name) :].lstrip("/")
        return ("main", "") if not path and "main" in revisions else (None, "")

    def _tree(self, folder: Path, inside: str) -> list[dict[str, Any]] | None:
        root = folder / inside
        if not root.is_dir():
            return None
        recursive = "recursive=true" in self.path.lower() or "recursive=1" in self.path
        return [self._entry(folder, file) for file in sorted(root.rglob("*") if recursive else root.iterdir())]

    @staticmethod
    def _entry(folder: Path, file: Path) -> dict[str, Any]:
        name = str(file.relative_to(folder))
        if file.is_dir():
            return {"type": "directory", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0}
        content = file.read_bytes()
        return {"type": "file", "path": name, "oid": hashlib.sha1(content).hexdigest(), "size": len(content)}

    def _file(self, path: str, fault: Fault | None, *, body: bool) -> None:
        found = self._find(path)
        if found is None:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
            return
        _, _, rest, revisions = found
        revision, name = self._revision(rest.removeprefix("resolve/"), revisions)
        if revision is None:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, body=body)
            return
        commit, folder = revisions[revision]
        file = folder / name
        if not name or not file.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, body=body)
            return
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if fault is not None and fault.truncate and (body or fault.cut):
            content = content[: len(content) // 2]
        self._send(200, content, headers, body=body, cut=fault is not None and fault.cut)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not body:
            return
        if cut:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(content)
