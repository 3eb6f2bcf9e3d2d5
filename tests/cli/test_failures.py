"""The end of a log becomes one sentence that says what to do."""

from pathlib import Path

import pytest

from helpers.cli import environment, failures


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
            "belongs to the operating system",
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
            "certificate that this machine does not trust: name the file with your "
            "network's root certificate in PIP_CERT and in SSL_CERT_FILE",
        ),
        (
            "ERROR: Could not install packages due to an OSError: Could not find a "
            "suitable TLS CA certificate bundle, invalid path: /lost/ca.pem",
            "There is no file of certificates /lost/ca.pem: correct or unset PIP_CERT",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError("
            "'Cannot connect to proxy.', NewConnectionError('…: Connection refused'))'",
            "The proxy does not let pip through",
        ),
        (
            "WARNING: The repository located at host is not a trusted or secure host "
            "and is being ignored.\nERROR: No matching distribution found for x==1",
            "name its host in PIP_TRUSTED_HOST",
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
            "error: metadata-generation-failed\n\n× Encountered error while generating",
            "A package cannot be built here",
        ),
        (
            "ERROR: one\nsomething\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\nx",
            "Set-up failed (THESE PACKAGES DO NOT MATCH THE HASHES): see the log",
        ),
        ("Killed", "Set-up failed: see the log"),
    ],
)
def test_the_end_of_the_log_chooses_the_sentence(log, sentence):
    explained = failures.explain(environment.Target("python", Path("prefix")), log)
    assert sentence in explained
    assert explained.endswith("run the same command again.")
    assert "\n" not in explained


@pytest.mark.parametrize(
    ("version", "advice"), [((3, 12, 1), False), ((3, 15, 0), True)]
)
def test_another_python_is_advised_only_to_those_who_use_an_untested_one(
    monkeypatch, version, advice
):
    monkeypatch.setattr(failures.sys, "version_info", version)
    for log in ("No matching distribution found for x==1", "Failed building wheel"):
        sentence = failures.explain(environment.Target("python", Path("prefix")), log)
        assert ("use Python 3.11 to 3.13" in sentence) is advice
