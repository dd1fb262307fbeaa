"""Telling people what happened: rules that they write, an outbox in rows, and what carries it to them. No Ray."""
