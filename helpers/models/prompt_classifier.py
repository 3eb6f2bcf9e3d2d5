"""Classify a text by the word that a masked language model predicts in a prompt.

So no randomly initialised head has to be learned (Schick and Schütze 2021; Gao et al.
2021).
"""

from datasets import Dataset
from torch.nn import functional
from transformers import BertForMaskedLM
from transformers.modeling_outputs import SequenceClassifierOutput

PROMPT = "a [MASK] film. "  # stands first, so that a long text does not cut it off
VERBALIZER = ("terrible", "great")  # the word of class 0 and that of class 1


class PromptClassifier(BertForMaskedLM):
    """Logits of the words of `VERBALIZER` at the masked token of `PROMPT`.

    Call `prepare` once before the first text; texts come from `add_prompt`.
    """

    def prepare(self, tokenizer) -> "PromptClassifier":
        """Look up where the masked token is and which tokens the words are."""
        self.masked = tokenizer(PROMPT)["input_ids"].index(tokenizer.mask_token_id)
        self.words = tokenizer.convert_tokens_to_ids(list(VERBALIZER))
        return self

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None):
        """Return logits [texts, 2], and the loss if there are labels [texts]."""
        hidden = self.bert(input_ids, attention_mask).last_hidden_state
        logits = self.cls(hidden[:, self.masked])[:, self.words]
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def add_prompt(data: Dataset) -> Dataset:
    """Put the prompt before each text; the other columns stay."""
    return data.map(lambda row: {"text": PROMPT + row["text"]})
