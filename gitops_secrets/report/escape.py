"""Text from a repository, made safe for where it is shown: a terminal, a DOT file, a Mermaid diagram."""

from __future__ import annotations

_MERMAID = str.maketrans({"#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"})


def visible(text: str) -> str:
    r"""`text` with everything that does not print written out: control characters, bidi controls, line ends, unpaired surrogates.

    A name in a manifest must not move the cursor, colour the screen or turn the direction of what follows.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _written_out(character) for character in text)


def _written_out(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def dot_quoted(text: str) -> str:
    r"""`text` as a quoted string of the DOT language.

    >>> dot_quoted('say "hi"')
    '"say \\"hi\\""'
    """
    return '"' + visible(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid_quoted(text: str) -> str:
    """`text` as a quoted label of Mermaid, which knows entities (`#35;`) and no backslashes, and reads HTML and backticks otherwise.

    >>> mermaid_quoted('say "hi"')
    '"say #quot;hi#quot;"'
    """
    return '"' + visible(text).translate(_MERMAID) + '"'
