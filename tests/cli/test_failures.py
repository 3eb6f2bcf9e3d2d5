"""The end of a log becomes one sentence that says what to do."""

import pytest

from helpers.cli import failures


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space "
            "left on device",
            "The disk became full",
        ),
        (
            "error: externally-managed-environment\n\n× This environment is externally",
            "Set-up failed (externally-managed-environment): see the log",
        ),
        (
            "/usr/bin/python3: No module named pip",
            "There is no pip in ",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Keine "
            "Berechtigung: '/usr/lib'",
            "Set-up may not write",
        ),
        (
            "Could not fetch URL https://host/simple/torch/: There was a problem "
            "confirming the ssl certificate: HTTPSConnectionPool(host='host', "
            "port=443): Max retries exceeded with url: /simple/torch/ (Caused by "
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] "
            "certificate verify failed: self-signed certificate (_ssl.c:1006)'))) - "
            "skipping\nERROR: No matching distribution found for torch==2.13.0",
            "cannot be verified: let PIP_CERT and SSL_CERT_FILE name the file",
        ),
        (
            "ERROR: Could not install packages due to an OSError: Could not find a "
            "suitable TLS CA certificate bundle, invalid path: /lost/ca.pem",
            "cannot be verified: let PIP_CERT and SSL_CERT_FILE name the file",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError("
            "'Cannot connect to proxy.', NewConnectionError('…: Connection refused'))'",
            "connect to the network, correct HTTPS_PROXY, or name a mirror",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by "
            "'NewConnectionError('<…>: Failed to establish a new connection: "
            "[Errno 111] Connection refused')': /simple/torch/\n"
            "ERROR: Could not find a version that satisfies torch (from versions: )\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "The package index cannot be reached",
        ),
        (
            "ERROR: Could not find a version that satisfies it (from versions: 2.9)\n"
            "ERROR: No matching distribution found for torch==2.13.0; extra == 'x'",
            "pip finds no torch==2.13.0 for Python",
        ),
        (
            "ERROR: one\nsomething\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\nx",
            "Set-up failed (THESE PACKAGES DO NOT MATCH THE HASHES): see the log",
        ),
        ("Killed", "Set-up failed: see the log"),
    ],
)
def test_the_end_of_the_log_chooses_the_sentence(log, sentence):
    explained = str(failures.explain(log))
    assert sentence in explained
    assert explained.endswith("run the same command again.")
    assert "\n" not in explained
