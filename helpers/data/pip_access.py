"""What every download through the user's own package index needs.

Standard library only: set-up uses it before anything is installed.
"""

import os
import re

UNTRUSTED = (
    "pip does not trust the certificate of the package index: name the file with your "
    "network's root certificate in PIP_CERT"
)
PIP_KEEPS = (  # of the user's settings: those that say where packages come from
    r"PIP_(.*INDEX.*|FIND_LINKS|TRUSTED_HOST|.*CERT|PROXY|.*TIMEOUT|RETRIES|.*CACHE_DIR"
    r"|CONFIG_FILE|KEYRING_PROVIDER|BREAK_SYSTEM_PACKAGES)"
)


def pip_variables() -> dict[str, str]:
    """Return the environment variables for pip: none that sends packages elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if re.fullmatch(PIP_KEEPS, name) or not name.startswith(("PIP_", "PYTHONPATH"))
    }
    own = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}  # also against pip's files
    return kept | own | {"PYTHONIOENCODING": "utf-8"}


def progress_bar(label: str, total: int, quiet: bool):
    """Return a bar for a download of `total` bytes."""
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=label, unit="B", unit_scale=True, disable=quiet)
