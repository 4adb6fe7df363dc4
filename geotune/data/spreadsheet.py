"""Text in a CSV file that no spreadsheet takes for a formula, and the way back."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def quoted(text: str) -> str:
    """With an apostrophe before what could begin a formula; `unquoted` gives the text back, whatever it is."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def unquoted(text: str) -> str:
    """What `quoted` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text
