"""Numbers with their nouns, as they stand in messages."""


def counted(number: int, noun: str) -> str:
    """`1 photo`, `2,864 photos`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
