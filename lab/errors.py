"""The one error the lab raises: a sentence that says what is wrong and what would be right."""


class LabError(Exception):
    """Something a person can act on; its text is one or more plain sentences, no traceback wanted."""
