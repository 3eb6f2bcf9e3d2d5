"""Classical baselines of a fine-tuned model, as strong as validation can choose."""

from functools import partial

from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.models import encoders

# weights of words and of pairs of words
_tfidf = partial(TfidfVectorizer, ngram_range=(1, 2), sublinear_tf=True)


def _frozen_mean() -> Pipeline:
    """MiniLM's mean vectors, standardised."""
    embed = partial(encoders.embed_texts, *encoders.load_text("minilm"))
    return make_pipeline(FunctionTransformer(embed), StandardScaler())


# name -> the features, and the values of C that validation chooses from
LINEAR = {
    "TF-IDF + logistic regression": (_tfidf, (1, 10, 100)),
    "frozen mean": (_frozen_mean, (0.001, 0.01, 0.1)),
}


def tfidf(C: float = 10) -> Pipeline:
    """Return TF-IDF + logistic regression, to be fitted on lists: texts, labels."""
    return make_pipeline(_tfidf(), LogisticRegression(C=C, max_iter=1000))


def linear(name: str, train: Dataset, validation: Dataset) -> Pipeline:
    """Return a classifier of `LINEAR`, fitted with the C that is best on validation."""
    make_features, candidates = LINEAR[name]
    features = make_features()
    known = features.fit_transform(train["text"][:]), train["label"][:]
    held_out = features.transform(validation["text"][:]), validation["label"][:]
    fitted = [LogisticRegression(C=C, max_iter=1000).fit(*known) for C in candidates]
    best = max(fitted, key=lambda classifier: classifier.score(*held_out))
    return make_pipeline(features, best)
