"""The virtual web as a process of its own, for tests and benchmarks.

Rule: the process ends with the `async with` that started it, or by itself after `max_s`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.vweb.certificate import make_certificate
from bench.vweb.site import Web, host_map
from bench.vweb.spec import WebSpec

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LOOPBACK: Final = ("127.0.0.1",)
START_S: Final = 30.0
STOP_S: Final = 5.0
READY: Final = "listening on "
"""Opens the one line printed when requests are accepted; the address and port follow."""


@dataclass(frozen=True, slots=True)
class Running:
    """A web that is being served."""

    spec: WebSpec
    addresses: tuple[str, ...]
    port: int
    pid: int
    certificate: Path | None = None
    """What a client has to trust (`SSL_CERT_FILE`) when the web is https."""

    @property
    def hosts(self) -> dict[str, str]:
        """The static host map that leads a crawler here."""
        return host_map(self.spec, self.addresses, self.port)

    @property
    def seeds(self) -> list[str]:
        """The front page of every host."""
        return Web(self.spec).seeds()


@asynccontextmanager
async def serve(
    spec: WebSpec, addresses: Sequence[str] = LOOPBACK, log: Path | None = None, max_s: float = 300.0
) -> AsyncIterator[Running]:
    """Serve a web on a free port while the block runs; the log (an absolute path) is complete after it.

    Raises RuntimeError when the process does not start, NoOpenSSL when an https web cannot have a certificate.
    """
    arguments = ["-m", "bench.vweb", "--spec", spec.to_json(), "--addresses", ",".join(addresses)]
    arguments += ["--max-seconds", str(max_s), *(("--log", str(log)) if log else ())]
    with tempfile.TemporaryDirectory(prefix="linkmill-vweb-") as folder:
        certificate = await make_certificate(Web(spec), Path(folder)) if spec.tls else None
        arguments += ["--certificate", str(certificate)] if certificate else []
        async with _started(arguments) as process:
            yield Running(spec, tuple(addresses), await _port(process), process.pid, certificate)


@asynccontextmanager
async def serve_with(arguments: Sequence[str]) -> AsyncIterator[int]:
    """Run another server, a Python command that prints the same first line, while the block runs; return its port."""
    async with _started(arguments) as process:
        yield await _port(process)


@asynccontextmanager
async def _started(arguments: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        await _stop(process)


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_S)
    if not line.startswith(READY.encode()):
        raise RuntimeError(f"the virtual web did not start: {line.decode(errors='replace').strip() or 'no output'}")
    return int(line.rpartition(b":")[2])


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the process, kindly at first; read its output to the end so that nothing keeps its pipe open."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.communicate(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.communicate()
