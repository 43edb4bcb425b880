"""The certificate of a virtual web of https URLs: self-signed, made anew for every web, valid for two days.

Rule: nothing is trusted in silence. A client is told to trust this certificate by OpenSSL's own SSL_CERT_FILE and then
checks it as any other: chain, dates and name. Made by the `openssl` command, for Python has nothing that signs.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Final

from bench.vweb.site import Web

DAYS: Final = 2
KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
"""What most sites of today present; an RSA key is cheaper for clients to check, dearer for servers."""
_REQUEST: Final = """[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = vweb
[extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class NoOpenSSL(Exception):
    """An https web needs the openssl command to make a certificate (on Debian: apt install openssl)."""

    def __str__(self) -> str:
        return type(self).__doc__ or ""


async def make_certificate(web: Web, folder: Path) -> Path:
    """Return a PEM file of certificate and key for all hosts of a web, by one wildcard for each domain.

    Raises NoOpenSSL.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NoOpenSSL
    request, pem = folder / "request.cnf", folder / "vweb.pem"
    names = ",".join(f"DNS:*.{domain}" for domain in web.siblings)
    request.write_text(_REQUEST.format(names=names), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(openssl, "req", "-x509", *KEY, "-days", str(DAYS), "-config", str(request)),
        *("-keyout", str(pem), "-out", str(folder / "certificate.pem")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"openssl made no certificate: {said.decode(errors='replace').strip()}")
    with pem.open("a") as file:
        file.write((folder / "certificate.pem").read_text())
    return pem


def context(pem: Path) -> ssl.SSLContext:
    """Return what a server needs to present the certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made
