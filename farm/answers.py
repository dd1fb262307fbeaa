"""Answers of the farm's HTTP API that are no success."""

import httpx


def error_of(answer: httpx.Response) -> tuple[str, str]:
    """Type and message of the error in an answer; of one that is not the farm's "", and the code."""
    try:
        error = answer.json()["error"]
        return str(error["type"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", f"it answers {answer.status_code}"
