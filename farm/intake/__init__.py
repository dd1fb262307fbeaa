"""The one door for new jobs: from what a person typed and brought to a checked request, and into the queue."""
