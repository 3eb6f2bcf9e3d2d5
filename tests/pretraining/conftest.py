"""Small tokenizers, trained once, and both objectives."""

import pytest

from helpers.models import tokenizers


@pytest.fixture(params=["mlm", "clm"])
def objective(request):
    return request.param


@pytest.fixture(scope="session")
def tokenizer_of(documents):
    return {
        "mlm": tokenizers.wordpiece(documents, 300),
        "clm": tokenizers.byte_pairs(documents, 300),
    }
