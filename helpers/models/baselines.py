"""Classical rivals of a fine-tuned model, as strong as validation can choose."""

from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from helpers.models import encoders


def _by_words(train, *others):
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    counts.fit(train["text"])
    return [counts.transform(part["text"]) for part in (train, *others)]


def _by_vectors(train, *others):
    frozen = encoders.load_text("minilm")
    parts = (train, *others)
    means = [encoders.embed_texts(*frozen, part["text"][:]) for part in parts]
    scaler = StandardScaler().fit(means[0])
    return [scaler.transform(part) for part in means]


# name -> what makes numbers of texts, and the strengths C that validation chooses from
LINEAR = {
    "word counts": (_by_words, (1, 10, 100)),
    "frozen mean": (_by_vectors, (0.001, 0.01, 0.1)),
}


def linear(name: str, train: Dataset, parts: DatasetDict) -> tuple[float, float]:
    """Return accuracies of a linear cut through one of `LINEAR`'s vectors.

    It is fitted on `train`; of its strengths the one that is best on the validation
    part is taken. Returned are the accuracies on the validation and on the test part.
    """
    vectors, strengths = LINEAR[name]
    watched, asked = parts["validation"], parts["test"]
    known, *unseen = vectors(train, watched, asked)

    def accuracies(strength):
        model = LogisticRegression(C=strength, max_iter=1000)
        model.fit(known, train["label"][:])
        scores = map(model.score, unseen, (watched["label"][:], asked["label"][:]))
        return tuple(map(float, scores))

    return max(map(accuracies, strengths), key=lambda scores: scores[0])


def counted(train: Dataset, weights, strength: float, *asked: Dataset):
    """Return what word counts say of some texts: probabilities, (texts, classes) each.

    `weights` holds a number for each training text: how much it counts.
    """
    known, *unseen = _by_words(train, *asked)
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(known, train["label"][:], weights)
    return list(map(model.predict_proba, unseen))
