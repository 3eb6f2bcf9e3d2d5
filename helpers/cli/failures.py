"""Why set-up failed: one sentence, with what to do, from the end of its log.

Standard library only.
"""

import re
import sys
import tempfile

from helpers import paths
from helpers.cli.environment import SetupError, prefix

LOG = paths.CACHE / "setup.log"
FAILURES = {  # what the end of the log shows -> what to say
    r"No space left on device|Errno 28\b|WinError 112\b": (
        "The disk became full during set-up: free about 3 GB where {prefix} and the "
        "temporary folder {temp} lie"
    ),
    r"Read-only file system|Permission denied|Access is denied|Errno (13|30)\b": (
        "Set-up may not write to {prefix} or to {root}: make both writable, or copy "
        "the course to a folder of your own"
    ),
    r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|TLS CA certificate bundle": (
        "The certificate of the package index cannot be verified: let PIP_CERT and "
        "SSL_CERT_FILE name the file with your network's root certificate, or correct "
        "this machine's date"
    ),
    r"connection broken by|Max retries exceeded|Connection (refused|reset|aborted)"
    r"|ConnectionError|ProxyError|SSLError|getaddrinfo|timed out|unreachable": (
        "The package index cannot be reached and not all packages are on this "
        "machine: connect to the network, correct HTTPS_PROXY, or name a mirror in "
        "PIP_INDEX_URL or a folder of wheels in PIP_FIND_LINKS"
    ),
    r"No matching distribution found for (?P<what>[^\s;]+)": (
        "pip finds no {what} for Python {version} (the course is tested with 3.11 to "
        "3.13): check the network and where pip looks (`pip config list`)"
    ),
    r"No module named pip\b": (
        "There is no pip in {prefix}: run `{python} -m ensurepip`, or with uv "
        "`uv pip install pip`"
    ),
    r"(?s:.*)^(ERROR|error|Error): (?P<what>.+?)\.?$": (
        "Set-up failed ({what}): see the log, {log}"
    ),
    r"": "Set-up failed: see the log, {log}",
}


def explain(log: str) -> SetupError:
    """Return the error that says why set-up failed, from the end of its log."""
    found = {re.search(p, log, re.MULTILINE): text for p, text in FAILURES.items()}
    match, sentence = next(item for item in found.items() if item[0])
    facts = match.groupdict() | {
        "python": sys.executable,
        "prefix": prefix(),
        "root": paths.ROOT,
        "temp": tempfile.gettempdir(),
        "version": sys.version.split()[0],
        "log": LOG,
    }
    return SetupError(sentence.format(**facts))
