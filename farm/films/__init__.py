"""Films: shots with pictures, prompts and lengths, as people write them down. Without torch."""
