"""Find a source archive in the user's own package index and download it as data.

`pip download` would run the archive's set-up code to learn what it is. `unearth` reads
the pages of the same index; nothing that arrives is built, installed or run.
"""

import ast
import logging
import re
import ssl
import subprocess
import sys
from pathlib import Path

from unearth import PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.fetchers import PyPIClient
from unearth.preparer import download_link

from helpers.data import pip_access

SETTING = re.compile(r"(?m)^(global|download|:env:)\.([\w-]+)=(.*)$")
YES = ("1", "true", "t", "yes", "y", "on")  # as pip reads a switch


def fetch(source: dict, label: str, folder: Path, quiet: bool) -> Path:
    """Return the archive of `source`: in `folder`, or where a local index keeps it.

    Indexes, links, proxy and certificate are those that pip would use. The caller
    verifies the archive. Raises RuntimeError when no index has it or the certificate of
    one is not trusted, and what httpx2 raises when one cannot be reached.
    """
    logging.getLogger("unearth").setLevel(logging.ERROR)  # not each index without it
    settings = pip_settings()
    with _session(settings) as session:
        finder = _finder(settings, session)
        try:
            found = finder.find_matches(source["sdist"]) if finder.sources else ()
            if not found:
                raise RuntimeError("no package index of yours has this source archive")
            with pip_access.progress_bar(label, source["bytes"], quiet) as bar:
                return download_link(
                    session,
                    found[0].link,
                    folder,
                    download_reporter=lambda _, done, total: bar.update(done - bar.n),
                )
        except Exception as error:  # of any kind: httpx2's, ssl's
            if "certificate" in str(error).lower():
                raise RuntimeError(pip_access.UNTRUSTED) from error
            raise


def pip_settings() -> dict[str, str]:
    """Return pip's settings for a download, from its files and its variables."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=pip_access.pip_variables(),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ).stdout
    order = ["global", "download", ":env:"]  # a later one overrules
    lines = sorted(SETTING.findall(listed), key=lambda line: order.index(line[0]))
    return {name: ast.literal_eval(value) for _, name, value in lines}


def _session(settings: dict[str, str]) -> PyPIClient:
    """Open a session with pip's certificate, proxy and patience."""
    certificate = settings.get("cert")
    return PyPIClient(
        trusted_hosts=settings.get("trusted-host", "").split(),
        verify=ssl.create_default_context(cafile=certificate) if certificate else True,
        proxy=settings.get("proxy"),
        timeout=float(settings.get("timeout") or settings.get("default-timeout", 15)),
        follow_redirects=True,
    )


def _finder(settings: dict[str, str], session: PyPIClient) -> PackageFinder:
    """Look for source archives where pip would look for packages."""
    finder = PackageFinder(
        session,
        index_urls=settings.get("index-url", "").split(),  # none: the same as pip's
        no_binary=[":all:"],
        ignore_compatibility=True,  # it does not matter which Python could run it
    )
    for url in settings.get("extra-index-url", "").split():
        finder.add_index_url(url)
    if settings.get("no-index", "").lower() in YES:
        finder.sources.clear()
    indexes = [place["url"] for place in finder.sources]
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    for url in settings.get("find-links", "").split():
        finder.add_find_links(url)
    return finder
