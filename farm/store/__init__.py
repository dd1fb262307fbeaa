"""The truth in SQL, and the files in an artifact store."""
