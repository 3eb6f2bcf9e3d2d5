"""Classify a text by the word that a masked language model puts into a hole.

The model's own head is used, so nothing newborn has to be learned from the labels
(Schick and Schütze 2021; Gao et al. 2021).
"""

from datasets import Dataset
from torch.nn import functional
from transformers import BertForMaskedLM
from transformers.modeling_outputs import SequenceClassifierOutput

PROMPT = "a [MASK] film. "  # stands first, so that a long text does not cut it off
ANSWERS = ("terrible", "great")  # of class 0 and class 1


class ClozeClassifier(BertForMaskedLM):
    """Scores of `ANSWERS` in the hole of `PROMPT`; texts come from `ask`.

    Call `listen` once before the first text.
    """

    def listen(self, tokenizer) -> "ClozeClassifier":
        """Look up where the hole is and which pieces are the answers."""
        self.hole = tokenizer(PROMPT)["input_ids"].index(tokenizer.mask_token_id)
        self.answers = tokenizer.convert_tokens_to_ids(list(ANSWERS))
        return self

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None):
        """Return logits [texts, 2], and the loss if there are labels [texts]."""
        hidden = self.bert(input_ids, attention_mask).last_hidden_state
        logits = self.cls(hidden[:, self.hole])[:, self.answers]
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def ask(data: Dataset) -> Dataset:
    """Put the prompt before each text; the other columns stay."""
    return data.map(lambda row: {"text": PROMPT + row["text"]})
