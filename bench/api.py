#!/usr/bin/env python3
"""Throughput of requests to an API with a latency of 50 ms, compared with a plain loop over its SDK.

    python bench/api.py
    python bench/api.py --latency 0.2 --chats 200 --repeats 3

The server is the one of the tests, in a separate process on the loopback interface. The runs of the loop and of the
suite alternate; the suite starts with an empty cache each time and caches every response. Medians and ratios are
printed and written to bench/results/.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive

BATCH = 32  # texts per request, in the loop and in the suite

SERVER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from api_server import serving
with serving() as server:
    server.latency = float(sys.argv[2])
    print(server.url, flush=True)
    time.sleep(3600)
"""


def plain_embeddings(url: str, texts: list[str]) -> None:
    """Request all embeddings one batch after the other."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    for start in range(0, len(texts), BATCH):
        client.embeddings.create(model="model", input=texts[start : start + BATCH])


def plain_chats(url: str, prompts: list[str]) -> None:
    """Request all responses one after the other."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    for prompt in prompts:
        message = {"role": "user", "content": prompt}
        client.chat.completions.create(model="model", messages=[message], temperature=0, seed=0)  # type: ignore[list-item]


def our_embeddings(url: str, texts: list[str], concurrency: int, cache: Path) -> None:
    """Request all embeddings as the scripts do."""
    from utils.api.limiter import Budget
    from utils.api.limits import ApiOptions
    from utils.encoders.cached import open_encoder
    from utils.encoders.resolve import EncodingOptions, resolve

    spec = resolve("openai:model", cache, EncodingOptions(url, batch_size=BATCH))
    open_encoder(spec, "cpu", cache, (ApiOptions(concurrency=concurrency), Budget(None))).embed(texts, [])


def our_chats(url: str, prompts: list[str], concurrency: int, cache: Path) -> None:
    """Request all responses as icl.py does."""
    from utils.answers import GenerationSettings
    from utils.api.limiter import Budget
    from utils.api.limits import ApiOptions
    from utils.generators.cached import open_generator
    from utils.generators.resolve import GeneratorOptions, resolve

    spec = resolve("openai:model", cache, GeneratorOptions(url))
    generator = open_generator(spec, "cpu", cache, (ApiOptions(concurrency=concurrency), Budget(None)))
    generator.generate(prompts, GenerationSettings())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Throughput of API requests, compared with a plain loop over the SDK.")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per response (default: %(default)s)")
    parser.add_argument("--texts", type=positive, default=2000, help="texts to embed (default: %(default)s)")
    parser.add_argument("--chats", type=positive, default=200, help="prompts to send (default: %(default)s)")
    parser.add_argument("--concurrency", type=positive, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=positive, default=3)
    args = parser.parse_args()
    command = [sys.executable, "-c", SERVER, str(ROOT / "tests"), str(args.latency)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        work = {
            "embeddings": ([f"text {i}" for i in range(args.texts)], plain_embeddings, our_embeddings),
            "chats": ([f"prompt {i}" for i in range(args.chats)], plain_chats, our_chats),
        }
        seconds: dict[str, dict[str, list[float]]] = {name: {} for name in work}
        plain_chats(url, ["warm"])  # imports
        for repeat in range(args.repeats):
            for name, (items, plain, ours) in work.items():
                start = time.perf_counter()
                plain(url, items)
                seconds[name].setdefault("loop", []).append(time.perf_counter() - start)
                for concurrency in args.concurrency:
                    start = time.perf_counter()
                    ours(url, items, concurrency, Path(folder) / f"{name}{repeat}_{concurrency}")
                    seconds[name].setdefault(f"ours, {concurrency}", []).append(time.perf_counter() - start)
        server.terminate()
    report(args, seconds)


def report(args: argparse.Namespace, seconds: dict[str, dict[str, list[float]]]) -> None:
    """Print the medians, items per second and ratios to the loop, and write them."""
    for name, found in seconds.items():
        n_items = args.texts if name == "embeddings" else args.chats
        print(f"{n_items} {name}, {1000 * args.latency:.0f} ms per response")
        medians = {way: statistics.median(values) for way, values in found.items()}
        for way, median in medians.items():
            speed = f"{median:7.2f} s  {n_items / median:8.0f} per second"
            print(f"  {way:<9} {speed}  {medians['loop'] / median:5.1f} x loop")
    write_results("api", {"latency": args.latency, "seconds": seconds})


if __name__ == "__main__":
    run(lambda _: main())
