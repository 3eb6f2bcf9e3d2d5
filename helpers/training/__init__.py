"""Fine-tuning: the Trainer set up well, freezing, strategies, memory of a step."""
