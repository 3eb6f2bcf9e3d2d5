"""Why set-up failed: one sentence, with what to do, from the end of its log.

Standard library only.
"""

import re
import sys
import tempfile

from helpers import paths
from helpers.cli.environment import Target

LOG = "course-setup.log"
AGAIN = "then run the same command again"
TESTED = ((3, 11), (3, 12), (3, 13))  # versions for which every package has a wheel
FAILURES = {  # what the end of the log shows -> what to say
    r"No space left on device|Errno 28\b|WinError 112\b": (
        "The disk became full during set-up: free about 3 GB where {prefix} and the "
        "temporary folder {temp} lie, {again}."
    ),
    r"externally-managed-environment": (
        "{python} belongs to the operating system and must not be added to: unset CI, "
        "so that the course makes its own .venv, or activate an environment, {again}."
    ),
    r"Read-only file system|Permission denied|Access is denied|Errno (13|30)\b": (
        "Set-up may not write to {prefix} or to {root}: make both writable, or copy "
        "the course to a folder of your own, {again}."
    ),
    r"TLS CA certificate bundle, invalid path: (?P<what>.+?)\.?$": (
        "There is no file of certificates {what}: correct or unset PIP_CERT, "
        "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE, {again}."
    ),
    r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError": (
        "The package index shows a certificate that this machine does not trust: name "
        "the file with your network's root certificate in PIP_CERT and in "
        "SSL_CERT_FILE, or correct this machine's date, {again}."
    ),
    r"ProxyError|Cannot connect to proxy|407 Proxy": (
        "The proxy does not let pip through to the package index: correct or unset "
        "HTTPS_PROXY, HTTP_PROXY and PIP_PROXY, {again}."
    ),
    r"is not a trusted or secure host": (
        "pip asks no index without encryption: give PIP_INDEX_URL an https address, "
        "or name its host in PIP_TRUSTED_HOST, {again}."
    ),
    r"NewConnectionError|NameResolution|Name or service not known|getaddrinfo"
    r"|Connection (refused|reset|aborted)|Network is unreachable|timed out"
    r"|SSLError|Max retries exceeded|ConnectTimeout|ProtocolError": (
        "The package index cannot be reached and not all packages are on this "
        "machine: connect to the network, or name a mirror in PIP_INDEX_URL or a "
        "folder of wheels in PIP_FIND_LINKS, {again}."
    ),
    r"No matching distribution found for (?P<what>[^\s;]+)": (
        "pip finds no {what} for Python {version} on this kind of machine: check the "
        "network and where pip looks (`pip config list`){other}, {again}."
    ),
    r"metadata-generation-failed|[Ff]ailed to build|[Ff]ailed building": (
        "A package cannot be built here for Python {version}: see the log, "
        "{log}{other}, {again}."
    ),
    r"(?s:.*)^(ERROR|error|Error): (?P<what>.+?)\.?$": (
        "Set-up failed ({what}): see the log, {log}, {again}."
    ),
    r"": "Set-up failed: see the log, {log}, {again}.",
}


def explain(target: Target, log: str) -> str:
    """Return one sentence about why set-up failed, from the end of its log."""
    match, sentence = next(
        (match, sentence)
        for pattern, sentence in FAILURES.items()
        if (match := re.search(pattern, log, re.MULTILINE))
    )
    other = "" if sys.version_info[:2] in TESTED else ", or use Python 3.11 to 3.13"
    return sentence.format(
        **match.groupdict(),
        root=paths.ROOT,
        prefix=target.prefix,
        python=target.python,
        version=sys.version.split()[0],
        other=other,
        temp=tempfile.gettempdir(),
        log=target.prefix / LOG,
        again=AGAIN,
    )
