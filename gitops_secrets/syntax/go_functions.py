"""What Go's text/template has by itself: how values are shown, and its functions.

Each function gets values as JSON has them and says of which types its parameters are. What follows Go in detail says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_VERB = re.compile(r"%([-+# 0]*)([0-9]{0,3})(?:\.([0-9]{0,3}))?([a-zA-Z%]|$)")
_QUOTED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


class FunctionError(Exception):
    """A function refuses its arguments. `unsupported`: Go would not have. The message holds no data."""

    def __init__(self, message: str, *, unsupported: bool = False) -> None:
        super().__init__(message)
        self.unsupported = unsupported


class Function(NamedTuple):
    """A function and the types of its parameters, a letter each.

    s string, i integer, m mapping, l list, b boolean, a anything; `*` after the last letter: any number of those.
    """

    call: Callable[..., Any]
    parameters: str
    deep: bool = False  # walks through all of its arguments


# Values as Go's fmt package shows them


def go_text(value: Any) -> str:
    """A value as `%v` prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_text, value)) + "]"
    return "<nil>" if value is None else str(value)


def go_quoted(text: str) -> str:
    """A text as `%q` prints it."""
    return '"' + "".join(_QUOTED.get(character) or (character if character.isprintable() else _escaped(ord(character))) for character in text) + '"'


def is_true(value: Any) -> bool:
    """Go's truth: nothing, zero and whatever is empty are false."""
    return bool(value)


def type_name(value: Any) -> str:
    """The type as a message calls it."""
    names = ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (dict, "map"), (list, "list"))
    return next((name for kind, name in names if isinstance(value, kind)), "nil")


def _escaped(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _float_text(value: float) -> str:
    """The shortest digits that give the number back, with an exponent below 1e-4 and from a million on (strconv, `g`)."""
    if math.isinf(value) or math.isnan(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    digits, exponent, sign = _digits(value)
    if not -4 <= exponent < 6:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, exponent)


def _digits(value: float) -> tuple[str, int, str]:
    mantissa, _, exponent = f"{value!r}".replace("-", "", value < 0 or math.copysign(1, value) < 0).partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    return stripped.rstrip("0") or "0", power if stripped else 0, "-" if math.copysign(1, value) < 0 else ""


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


# Go's own functions


def _compare_kind(value: Any) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    return ""


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise FunctionError("eq needs something to compare with")
    for other in others:
        kinds = _compare_kind(first), _compare_kind(other)
        if first is None or other is None:
            if first is other:
                return True
        elif kinds[0] != kinds[1]:
            raise FunctionError("incompatible types for comparison")
        elif not kinds[0]:
            raise FunctionError("mappings and lists can't be compared")
        elif first == other:
            return True
    return False


def _less(first: Any, second: Any) -> bool:
    kind = _compare_kind(first)
    if not kind or kind == "bool":
        raise FunctionError("invalid type for comparison")
    if kind != _compare_kind(second):
        raise FunctionError("incompatible types for comparison")
    return bool(first < second)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict | list):
        return len(value)
    raise FunctionError(f"len of type {type_name(value)}")


def _index(value: Any, *keys: Any) -> Any:
    if value is None:
        raise FunctionError("index of untyped nil")
    for key in keys:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise FunctionError(f"a mapping has no index of type {type_name(key)}")
            value = value.get(key)
        elif isinstance(value, list | str):
            if isinstance(key, bool) or not isinstance(key, int):
                raise FunctionError(f"cannot index with type {type_name(key)}")
            items = value if isinstance(value, list) else list(value.encode())
            if not 0 <= key < len(items):
                raise FunctionError("index out of range")
            value = items[key]
        else:
            raise FunctionError(f"can't index item of type {type_name(value)}")
    return value


def _print(*values: Any) -> str:
    found = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            found += " "
        found += go_text(value)
    return found


def _format(pattern: str, *values: Any) -> str:
    """Go's Sprintf for the verbs that templates use; where Go would write its complaint into the text, that is an error."""
    rest = list(values)

    def replace(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            raise FunctionError("printf has fewer values than verbs", unsupported=True)
        text = _formatted(rest.pop(0), verb, flags, precision)
        fill = "0" if "0" in flags and "-" not in flags and verb in "dfgexX" else " "
        if fill == "0" and text[:1] in ("-", "+"):
            return text[0] + text[1:].rjust(int(width or 0) - 1, "0")
        return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0), fill)

    found = _VERB.sub(replace, pattern)
    if rest:
        raise FunctionError("printf has more values than verbs", unsupported=True)
    return found


def _formatted(value: Any, verb: str, flags: str, precision: str | None) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    sign = "+" if "+" in flags and is_number and value >= 0 else ""
    if verb == "v":
        return sign + go_text(value)
    if verb == "s" and isinstance(value, str):
        return value if precision is None else value[: int(precision or 0)]
    if verb == "q" and isinstance(value, str):
        return go_quoted(value)
    if verb == "t" and isinstance(value, bool):
        return go_text(value)
    if is_number and isinstance(value, int) and verb in "dxXob":
        return sign + format(value, verb)
    if verb == "f" and isinstance(value, float):
        return sign + format(value, f".{int(precision or 0) if precision is not None else 6}f")
    if verb in "sdvqtxXobfgeT":
        raise FunctionError(f"printf can't write a value of type {type_name(value)} as %{verb}", unsupported=True)
    raise FunctionError(f"printf knows no verb %{verb}")


GO_FUNCTIONS: Mapping[str, Function] = {
    "eq": Function(_equal, "aa*"),
    "ne": Function(lambda first, second: not _equal(first, second), "aa"),
    "lt": Function(_less, "aa"),
    "le": Function(lambda first, second: _less(first, second) or _equal(first, second), "aa"),
    "gt": Function(lambda first, second: not (_less(first, second) or _equal(first, second)), "aa"),
    "ge": Function(lambda first, second: not _less(first, second), "aa"),
    "not": Function(lambda value: not is_true(value), "a"),
    "len": Function(_length, "a"),
    "index": Function(_index, "aa*"),
    "print": Function(_print, "a*", deep=True),
    "println": Function(lambda *values: " ".join(map(go_text, values)) + "\n", "a*", deep=True),
    "printf": Function(_format, "sa*", deep=True),
}
