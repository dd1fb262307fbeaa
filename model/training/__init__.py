"""Fine-tuning: what a model is shown, how it learns from that, and what is kept of it."""
