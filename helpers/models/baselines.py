"""Classical baselines of a fine-tuned model, as strong as validation can choose."""

from functools import partial

from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.models import encoders


def _tfidf() -> TfidfVectorizer:
    """Weights of words and of pairs of words."""
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


def _frozen_mean() -> Pipeline:
    """MiniLM's mean vectors, standardised."""
    embed = partial(encoders.embed_texts, *encoders.load_text("minilm"))
    return make_pipeline(FunctionTransformer(embed), StandardScaler())


# name -> the features, and the values of C that validation chooses from
LINEAR = {
    "TF-IDF": (_tfidf, (1, 10, 100)),
    "frozen mean": (_frozen_mean, (0.001, 0.01, 0.1)),
}


def tfidf(C: float = 10) -> Pipeline:
    """Return TF-IDF + logistic regression, to be fitted on lists of texts and labels.

    `C` is the inverse strength of its regularisation.
    """
    return make_pipeline(_tfidf(), _classifier(C))


def linear(name: str, train: Dataset, splits: DatasetDict) -> tuple[float, float]:
    """Return validation and test accuracy of a linear classifier of `LINEAR`.

    It is fitted on `train`, with the C that is best on the validation split.
    """
    make_features, candidates = LINEAR[name]
    features = make_features()
    known = features.fit_transform(train["text"][:])
    held_out = [
        (features.transform(splits[split]["text"][:]), splits[split]["label"][:])
        for split in ("validation", "test")
    ]

    def accuracies(C):
        model = _classifier(C).fit(known, train["label"][:])
        return tuple(float(model.score(*data)) for data in held_out)

    return max(map(accuracies, candidates), key=lambda found: found[0])


def _classifier(C: float) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=1000)
