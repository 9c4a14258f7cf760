"""Makes what others wrote fit to be shown: text that says something and does nothing.

What a hub, a device or a registry wrote may hold bytes that move the cursor, colour
the screen or turn text around, and so make a terminal show what is not so. Whatever
is not plain text is replaced.
"""

import re

# C0, C1 and the characters that turn the direction of text (Unicode TR 36).
ODD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
INSTEAD = "�"


def plain(text: str) -> str:
    """Return one line of plain text."""
    return ODD.sub(INSTEAD, text)
