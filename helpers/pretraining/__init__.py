"""Pre-training the course's own BERT and GPT-2 from random weights."""
