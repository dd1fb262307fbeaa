"""What is done with a task, whoever does it: a file for each kind, and the executor that runs them. No Ray."""
