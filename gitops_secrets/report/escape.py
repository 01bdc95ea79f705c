"""Text from a repository, made safe for where it is shown: a terminal, a DOT file, a Mermaid diagram, a comment, a log of a workflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

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


def inert(text: str) -> str:
    r"""`text` without a line that a CI system takes for a command: `::error::` where a line starts, `##[error]` and `##vso[` wherever they stand.

    GitHub Actions and Azure Pipelines read them in whatever a job prints, and a name in a manifest may be one. The escape is one in JSON, too.

    >>> print(inert("  ::error::a\n##[error]b"))
      \u003a:error::a
    #\u0023[error]b
    """
    if "::" not in text and "##" not in text:
        return text
    return _COMMAND.sub(lambda found: f"{found[1] or ''}\\u{ord(found[0][-1]):04x}", text)


_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|(?<=#)#(?=\w*\[)", re.MULTILINE)


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


def markdown_code(text: str) -> str:
    """`text` in the type of code, for Markdown as GitHub and GitLab read it, tables included.

    Nothing inside is read as a link, a mention, a reference or HTML.

    >>> markdown_code("apps/web.yaml:3"), markdown_code("a|b"), markdown_code("")
    ('`apps/web.yaml:3`', '<code>a&#124;b</code>', '')
    """
    text = visible(text).strip()
    if not text or not _ENDS_A_SPAN.search(text):
        return f"`{text}`" if text else ""
    return f"<code>{html(text)}</code>"


def markdown(text: str) -> str:
    """A sentence for Markdown: words stay as they are; what holds any sign is set as code, so that none of it means anything.

    >>> markdown("Kustomization/flux-system/apps needs @everyone, see #1")
    '`Kustomization/flux-system/apps` needs `@everyone`, see `#1`'
    """
    return _spelled(text, markdown_code)


def html(text: str) -> str:
    """`text` for HTML inside of Markdown: every sign that either of them knows is written as its number.

    >>> html("<b>*")
    '&#60;b&#62;&#42;'
    """
    return _SIGNS.sub(lambda match: f"&#{ord(match[0])};", visible(text))


def html_sentence(text: str) -> str:
    """A sentence for HTML inside of Markdown, such as a summary that unfolds; as `markdown`."""
    return _spelled(text, lambda word: f"<code>{html(word)}</code>")


def workflow_data(text: str) -> str:
    """`text` as the message of a workflow command of GitHub.

    >>> workflow_data("100 %")
    '100 %25'
    """
    return "%0A".join(visible(line).replace("%", "%25") for line in text.split("\n"))


def workflow_property(text: str) -> str:
    """`text` as a property of a workflow command of GitHub.

    >>> workflow_property("a:b,c")
    'a%3Ab%2Cc'
    """
    return workflow_data(text).replace(":", "%3A").replace(",", "%2C")


_EXPRESSION: Final = 50  # words that an expression has at most
_ENDS_A_SPAN = re.compile(r"[`|\\]")
_SIGNS = re.compile(r"[^A-Za-z0-9 /\u0080-\U0010ffff-]")
# A word of prose, with the punctuation around it. `GH-1` would be a reference, what starts with www. a link.
_WORD = re.compile(r"(?P<before>\(?)(?P<word>(?!GH-)[^\W_]+(?:[-'\u2019][^\W_]+)*)?(?P<after>[),;:.?\u2026]*)|\u2192")


def _spelled(text: str, code: Callable[[str], str]) -> str:
    shown: list[str] = []
    span: list[str] = []  # words that go into one span of code: those that follow each other
    for word in _expressions([word for word in visible(text).split(" ") if word]):
        before, core, after = ("", "", word) if _WORD.fullmatch(word) else _parted(word)
        if span and (before or not core):
            shown.append(code(" ".join(span)))
            span = []
        if core and after:
            shown.append(f"{before}{code(' '.join((*span, core)))}{after}")
            span = []
        elif core and before:
            shown.append(f"{before}{code(core)}")
        elif core:
            span.append(core)
        else:
            shown.append(word)
    return " ".join([*shown, code(" ".join(span))] if span else shown)


def _expressions(words: Sequence[str]) -> Iterator[str]:
    """Words, those between the brackets that one of them opens joined with it: `exists(e, e.type == 'Ready')` is one."""
    start = 0
    while start < len(words):
        end, depth = start + 1, _depth(words[start].removeprefix("("))
        while depth > 0 and end < min(len(words), start + _EXPRESSION):
            depth += _depth(words[end])
            end += 1
        end = end if depth <= 0 else start + 1
        yield " ".join(words[start:end])
        start = end


def _depth(word: str) -> int:
    return sum(word.count(sign) for sign in "([{") - sum(word.count(sign) for sign in ")]}")


def _parted(word: str) -> tuple[str, str, str]:
    """The punctuation before a word that is no prose, the word, and the punctuation after it."""
    before = "(" if word.startswith("(") and (")" not in word or word.rstrip(",;:.").endswith(")")) else ""
    core = word[len(before) :]
    # A bracket that nothing in the word opens was opened in the prose before it.
    after = core[len(core.rstrip(",;:.?)" if before or _depth(core) < 0 else ",;:.?")) :]
    core = core[: len(core) - len(after)]
    return (before, core, after) if core else ("", "", word)
