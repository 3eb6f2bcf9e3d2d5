"""Pre-trained models, their tokenizers and their baselines."""
