"""A server on loopback that speaks the wire formats of OpenAI and Cohere, and has bad days on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from script_runner import wait_until

SIZE = 16  # numbers of a vector
FILTERED, LONGEST = "[filtered]", 400  # a text that is never answered; characters (four a token) that are read
STATUS_FAULTS = {
    "429": (429, {"Retry-After": "0.05"}),
    "429 ms": (429, {"retry-after-ms": "40"}),
    "429 bare": (429, {}),
    "500": (500, {}),
    "503": (503, {"Retry-After": "0"}),
}
ERRORS: dict[str, Any] = {  # bodies of status 200 that are errors
    "error": {"error": {"message": "the upstream server is overloaded", "code": 502}},
    "error 429": {"error": {"message": "slow down", "type": "rate_limit_error", "code": None}},
    "error in words": {"message": "internal error"},
    "no content": {"id": "1"},
}
DRIP_SECONDS = 0.2  # between two bytes
BODY_FAULTS = ("cut", "reset", "truncated", "html", "empty", "slow", "drip", "drip head", *ERRORS)
VECTOR_FAULTS = ("short", "long", "narrow", "nan", "zeros")
FAULTS = (*STATUS_FAULTS, *BODY_FAULTS)


def vector(text: str) -> list[float]:
    """Return the vector that the server gives a text: float32 numbers drawn by its hash."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return [float(x) for x in np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)]


def relevance(query: str, document: str) -> float:
    """Return the score that the server gives a pair, from 0 to 1."""
    return int.from_bytes(hashlib.sha256(f"{query} | {document}".encode()).digest()[:3], "big") / 2**24


class ApiServer(ThreadingHTTPServer):
    """Answers, faults by request number, and the account of what was asked for and what was delivered whole."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: dict[int, str] = {}  # number of the request (from 1) -> fault
        self.always: str = ""  # a fault of every request
        self.latency = 0.0
        self.held_after: int | None = None  # requests beyond so many wait until `released` is set
        self.released = threading.Event()
        self.slow_seconds = 3.0
        self.max_items = 2048
        self.longest = LONGEST
        self.script: Callable[[dict[str, Any]], str] | None = None  # from a chat's request to its answer
        self.answer, self.refusal, self.finish = "positive", "", "stop"
        self.refuses_schema = self.ignores_schema = False
        self.wants_key = ""
        self.prefix = ""  # of all paths
        self.replaced: dict[str, Any] = {}  # members of every answer that are sent in place of its own
        self.added_lines: list[bytes] = []  # to the responses of a batch
        self.wire_logprobs = "echo"  # echo, prompt_logprobs or none
        self.n_requests = 0
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.most_at_once = 0
        self.bodies: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.batch_looks = 1  # how often a batch is looked at before it is done
        self.look_faults: list[int] = []  # statuses with which the next looks are answered
        self.batch_end = "completed"
        self.batch_answers: int | None = None  # lines of a batch that are answered; all by default
        self.tells_unanswered = True  # whether the file of errors has the other lines
        self.lock = threading.Lock()
        self.now = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def wait_for_held(self, n_held: int, process: subprocess.Popen[str]) -> None:
        """Wait until so many requests of a process are held; it has the answers of all before them."""
        assert self.held_after is not None
        wait_until(lambda: self.n_requests == (self.held_after or 0) + n_held, process)

    def release(self) -> None:
        """Answer the requests that are held, and wait until that is done."""
        self.released.set()
        wait_until(lambda: self.now == 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is not to wait for an acknowledgement
    wbufsize = -1

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.removeprefix(self.server.prefix)
        if path.startswith("/v1/files/") and path.endswith("/content"):
            self._raw(200, self.server.files[path.split("/")[3]], "application/octet-stream")
        elif path == "/v1/batches":
            self._json(200, {"object": "list", "data": list(self.server.batches.values()), "has_more": False})
        elif path.startswith("/v1/batches/"):
            with self.server.lock:  # a batch is worked off once, however many look at it
                status = self.server.look_faults.pop(0) if self.server.look_faults else 200
                batch = self._look(path.split("/")[3]) if status == 200 else {"error": {"message": "injected"}}
            self._json(status, batch)
        else:
            self._json(404, {"error": {"message": f"no such path: {path}"}})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path.removeprefix(self.server.prefix)
        if path == "/v1/files":
            self._upload(raw)
            return
        body = json.loads(raw)
        server = self.server
        items = [str(item) for item in _items(path, body)]
        with server.lock:
            server.n_requests += 1
            number = server.n_requests
            server.asked.update(items)
            server.bodies.append(body)
            server.now += 1
            server.most_at_once = max(server.most_at_once, server.now)
            fault = server.faults.pop(number, "") or server.always
        try:
            time.sleep(server.latency)
            if server.held_after is not None and number > server.held_after:
                server.released.wait()
            self._respond(path, body, items, fault)
        finally:
            with server.lock:
                server.now -= 1

    def _respond(self, path: str, body: dict[str, Any], items: Sequence[str], fault: str) -> None:
        if self.server.wants_key and self.headers.get("Authorization") != f"Bearer {self.server.wants_key}":
            said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
            self._json(401, {"error": {"message": said, "code": "invalid_api_key"}, "message": said})
            return
        if fault in STATUS_FAULTS:
            status, headers = STATUS_FAULTS[fault]
            said = f"injected {fault}"
            self._json(status, {"error": {"message": said}, "message": said}, headers)
            return
        if fault == "slow":
            time.sleep(self.server.slow_seconds)
        if path == "/v1/batches":
            self._json(200, self._submit(body))
            return
        status, answer = answer_to(self.server, path, body, items)
        if status == 200 and isinstance(answer, dict):
            answer |= self.server.replaced
        if fault in VECTOR_FAULTS:
            _spoil(answer, fault)
        self._deliver(status, answer, items, fault)

    def _deliver(self, status: int, answer: dict[str, Any], items: Sequence[str], fault: str) -> None:
        raw = json.dumps(answer).encode()
        if fault == "reset":
            self.connection.close()
            return
        if fault in ("truncated", "html", "empty"):
            content = {"truncated": raw[: len(raw) // 2], "html": b"<html>sorry</html>", "empty": b""}[fault]
            self._raw(200, content, "text/html" if fault == "html" else "application/json")
            return
        if fault in ERRORS:
            self._json(200, ERRORS[fault])
            return
        if fault in ("drip", "drip head"):
            self._drip(raw, head=fault == "drip head")
            return
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        if status == 200 and fault not in VECTOR_FAULTS and fault != "slow":
            with self.server.lock:
                self.server.paid.update(items)
        self._raw(status, raw, "application/json")

    def _drip(self, raw: bytes, *, head: bool) -> None:
        """Send a response byte by byte, until the client gives up."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        if head:
            self.send_header("X-Padding", "x" * 10_000)
            headers, self._headers_buffer = self._headers_buffer, []
            raw = b"".join(headers)
        else:
            self.end_headers()
        self.close_connection = True
        for place in range(len(raw)):
            self.wfile.write(raw[place : place + 1])
            self.wfile.flush()
            time.sleep(DRIP_SECONDS)

    def _json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(content).encode(), "application/json", headers)

    def _raw(self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _upload(self, raw: bytes) -> None:
        boundary = self.headers["Content-Type"].split("boundary=")[1].encode()
        parts = [part.split(b"\r\n\r\n", 1) for part in raw.split(b"--" + boundary) if b"filename=" in part]
        name = f"file-{len(self.server.files)}"
        self.server.files[name] = parts[0][1].rsplit(b"\r\n", 1)[0]
        self._json(200, {"id": name, "object": "file", "purpose": "batch", "bytes": len(raw), "filename": "x.jsonl"})

    def _submit(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.server.batches)}"
        batch = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "in_progress",
            "created_at": 0,
            "metadata": body.get("metadata"),
            "looks": 0,
        }
        self.server.batches[name] = batch
        return batch

    def _look(self, name: str) -> dict[str, Any]:
        """Work a batch off when it has been looked at often enough."""
        server, batch = self.server, self.server.batches[name]
        batch["looks"] += 1
        if batch["status"] != "in_progress" or batch["looks"] < server.batch_looks:
            return batch
        good, bad = [], []
        for place, line in enumerate(server.files[batch["input_file_id"]].decode().splitlines()):
            request = json.loads(line)
            if server.batch_answers is not None and place >= server.batch_answers:
                error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                missing = {"custom_id": request["custom_id"], "response": None, "error": error}
                bad += [json.dumps(missing).encode()] if server.tells_unanswered else []
                continue
            items = [str(item) for item in _items(request["url"], request["body"])]
            status, answer = answer_to(server, request["url"], request["body"], items)
            entry = {"custom_id": request["custom_id"], "response": {"status_code": status, "body": answer}}
            line = json.dumps({**entry, "error": None}, ensure_ascii=False).encode("utf-8", "surrogatepass")
            (good if status == 200 else bad).append(line)
            server.asked.update(items)
            server.paid.update(items if status == 200 else [])
        good += server.added_lines
        for key, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[key] = f"file-{len(server.files)}"
                server.files[batch[key]] = b"\n".join(lines)
        batch["status"] = server.batch_end
        return batch


def _items(path: str, body: dict[str, Any]) -> list[Any]:
    """Return what a request asks for, one by one."""
    if path == "/v1/embeddings":
        return body["input"] if isinstance(body["input"], list) else [body["input"]]
    if path == "/v2/embed":
        return list(body["texts"])
    if path.endswith("/rerank"):
        return [f"{body['query']} | {text}" for text in body.get("documents") or body.get("texts") or []]
    if path == "/v1/completions":
        return [body["prompt"]]
    return [message["content"] for message in body.get("messages", [])]


def answer_to(server: ApiServer, path: str, body: dict[str, Any], items: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of a faultless answer."""
    refusal = _refusal(server, items)
    if refusal:
        return 400, {"error": {"message": refusal[1], "code": refusal[0]}, "message": refusal[1]}
    n_tokens = sum(len(item) // 4 + 1 for item in items)
    usage = {"prompt_tokens": n_tokens, "completion_tokens": 1, "total_tokens": n_tokens}
    if path == "/v1/embeddings":
        as_text = body.get("encoding_format") == "base64"
        rows = [np.array(vector(item), dtype="<f4")[: body.get("dimensions") or SIZE] for item in items]
        data = [
            {
                "object": "embedding",
                "index": i,
                "embedding": base64.b64encode(row.tobytes()).decode() if as_text else row.tolist(),
            }
            for i, row in enumerate(rows)
        ]
        return 200, {"object": "list", "data": data, "model": body["model"], "usage": usage}
    if path == "/v2/embed":
        billed = {"billed_units": {"input_tokens": n_tokens}}
        rows = [vector(item) for item in items]
        return 200, {"id": "1", "embeddings": {"float": rows}, "texts": list(items), "meta": billed}
    if path.endswith("/rerank"):
        return reranked(path, body, n_tokens)
    if path == "/v2/chat":
        text = _chosen(server, body)
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        units = {"billed_units": {"input_tokens": n_tokens, "output_tokens": 1}}
        return 200, {"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": units}
    if path == "/v1/chat/completions":
        wants = any(name in body for name in ("response_format", "structured_outputs", "guided_choice", "guided_json"))
        if wants and server.refuses_schema:
            said = "Extra inputs are not permitted: response_format"
            return 400, {"error": {"message": said}, "message": said}
        message: dict[str, Any] = {"role": "assistant", "content": _chosen(server, body)}
        if server.refusal:
            message = {"role": "assistant", "content": None, "refusal": server.refusal}
        choices = [{"index": 0, "finish_reason": server.finish, "message": message}]
        return 200, {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": choices,
            "usage": usage,
        }
    if path == "/v1/completions":
        return 200, {
            "id": "1",
            "object": "text_completion",
            "created": 0,
            "model": body["model"],
            "choices": [_completed(server, body)],
            "usage": usage,
        }
    return 404, {"error": {"message": f"no such path: {path}"}}


def reranked(path: str, body: dict[str, Any], n_tokens: int) -> tuple[int, Any]:
    """Return the scores of documents, best first, in the form of Cohere, of vLLM, or of text-embeddings-inference."""
    if path == "/rerank" and "texts" not in body:
        return 422, {"message": "Failed to deserialize the JSON body into the target type: missing field `texts`"}
    scores = [relevance(body["query"], text) for text in body.get("documents") or body["texts"]]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    if path == "/rerank":
        return 200, [{"index": place, "score": scores[place]} for place in order]
    results = [{"index": place, "relevance_score": scores[place]} for place in order]
    billed = {"billed_units": {"search_units": (len(scores) + 99) // 100}}
    return 200, {
        "id": "1",
        "model": body["model"],
        "results": results,
        "meta": billed,
        "usage": {"total_tokens": n_tokens},
    }


def _refusal(server: ApiServer, items: Sequence[str]) -> tuple[str, str] | None:
    if len(items) > server.max_items:
        return "batch_size", f"batch size {len(items)} > maximum allowed batch size {server.max_items}"
    if any(item == "" for item in items):
        return "empty", "the input must not be an empty string"
    if any(FILTERED in item for item in items):
        return "content_filter", "The response was filtered due to the content management policy"
    longest = max(map(len, items), default=0)
    if longest > server.longest:
        most = f"This model's maximum context length is {server.longest // 4} tokens"
        return "context_length_exceeded", f"{most}, however you requested {longest // 4} tokens"
    return None


def _chosen(server: ApiServer, body: dict[str, Any]) -> str:
    """Return what a chat says: the answer set, by the schema that was asked for."""
    if server.script is not None:
        return server.script(body)
    form = body.get("response_format") or {}
    if server.ignores_schema or not (form or "guided_choice" in body or "structured_outputs" in body):
        return server.answer
    if form:
        return json.dumps({"label": server.answer})
    return server.answer


def _completed(server: ApiServer, body: dict[str, Any]) -> dict[str, Any]:
    """Return a completion whose tokens are words; a word's log-probability is minus its length over ten."""
    text = body["prompt"]
    words = text.replace(" ", "\0 ").split("\0")
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length", "text": server.answer}
    values: list[float | None] = [None, *(-len(word) / 10 for word in words[1:])]
    if server.wire_logprobs == "echo" and body.get("echo"):
        choice["text"] = text + server.answer
        choice["logprobs"] = {"tokens": [*words, server.answer], "token_logprobs": [*values, -9.0]}
    if server.wire_logprobs == "prompt_logprobs" and body.get("prompt_logprobs") is not None:
        entries = [
            {str(i): {"logprob": value, "decoded_token": word}}
            for i, (word, value) in enumerate(zip(words, values, strict=True))
        ]
        choice["prompt_logprobs"] = [None, *entries[1:]]
    return choice


def _spoil(answer: dict[str, Any], fault: str) -> None:
    """Break the vectors of an answer."""
    if "data" in answer:
        rows = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4").tolist() for item in answer["data"]]
    else:
        rows = answer["embeddings"]["float"]
    if fault == "nan":
        rows[-1] = [float("nan"), *rows[-1][1:]]
    changed = {
        "short": rows[:-1],
        "long": [*rows, rows[-1]],
        "narrow": [row[:-1] for row in rows],
        "zeros": [[0.0] * len(row) for row in rows],
    }.get(fault, rows)
    if "data" in answer:
        answer["data"] = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(changed)]
    else:
        answer["embeddings"]["float"] = changed


@contextmanager
def serving() -> Iterator[ApiServer]:
    """Serve on a free port of loopback for as long as the block runs."""
    server = ApiServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
