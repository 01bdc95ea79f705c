"""The functions that templates have beside Go's own: those of slim-sprig v3, with Flux Operator's three, and what Argo CD and Helm have of them.

Only what gives the same result every time; regular expressions, urls and reflection are left out, since Python's differ.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import posixpath
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops_secrets.syntax.emit import dump
from gitops_secrets.syntax.go_functions import GO_FUNCTIONS, Function, FunctionError, go_quoted, go_text, is_true, type_name

# Numbers of items or characters that a function makes out of a number; Go would take what it gets.
MOST_REPEATED = 100_000
_MOST_SLUG = 63
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")


# Numbers


def _int(value: Any) -> int:
    """As sprig reads an integer out of anything: zero for what is none."""
    if isinstance(value, str):
        number = int(value) if len(value) <= 20 and _INTEGER.match(value) else 0
        return number if -(1 << 63) <= number < 1 << 63 else 0
    if isinstance(value, float):
        return _wrapped(int(value)) if math.isfinite(value) else 0
    return int(value) if isinstance(value, int) else 0


def _float(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if _FLOAT.match(value) else 0.0
    return float(value) if isinstance(value, int | float) else 0.0


def _wrapped(number: int) -> int:
    """Go's int64 goes around."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _quotient(first: Any, second: Any) -> int:
    a, b = _int(first), _int(second)
    if not b:
        raise FunctionError("division by zero")
    return _wrapped(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))


def _remainder(first: Any, second: Any) -> int:
    return _int(first) - _quotient(first, second) * _int(second)


def _product(*values: Any) -> int:
    found = 1
    for value in values:
        found = _wrapped(found * _int(value))
    return found


def _round(value: Any, places: int, *half: Any) -> float:
    power = 10.0**places
    digit = power * _float(value)
    fraction = math.modf(digit)[0]
    return (math.ceil(digit) if fraction >= (_float(half[0]) if half else 0.5) else math.floor(digit)) / power


def _until(start: int, stop: int, step: int) -> list[int]:
    if not step:
        if stop < start:
            return []
        return [] if step <= 0 else [start]
    found = range(start, stop, step)
    _limit(len(found))
    return list(found)


def _sequence(*bounds: int) -> str:
    if len(bounds) not in (1, 2, 3):
        return ""
    start, step, end = (1, 0, bounds[0]) if len(bounds) == 1 else (bounds[0], 0, bounds[1]) if len(bounds) == 2 else bounds
    direction = -1 if end < start else 1
    if len(bounds) == 3 and end < start and step > 0:
        return ""
    return " ".join(map(str, _until(start, end + direction, step or direction)))


def _limit(count: int) -> int:
    if count > MOST_REPEATED:
        raise FunctionError(f"more than {MOST_REPEATED} repetitions", unsupported=True)
    if count < 0:
        raise FunctionError("a negative count")
    return count


# Texts


def _indent(spaces: int, text: str) -> str:
    pad = " " * _limit(spaces)
    _limit(len(pad) * text.count("\n"))
    return pad + text.replace("\n", "\n" + pad)


def _quote(*values: Any) -> str:
    return " ".join(go_quoted(go_text(value)) for value in values if value is not None)


def _title(text: str) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: match[0].upper(), text)


def _truncate(length: int, text: str) -> str:
    data = text.encode()
    if length < 0:
        return data[length:].decode(errors="replace") if len(data) + length > 0 else text
    return data[:length].decode(errors="replace")


def _substring(start: int, end: int, text: str) -> str:
    if start < 0:
        return text[:end]
    if start > len(text):
        raise FunctionError("substr out of range")
    return text[start:] if end < 0 or end > len(text) else text[start:end]


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [go_text(item) for item in value if item is not None]
    return [] if value is None else [go_text(value)]


def _split(separator: str, text: str, count: int = -1) -> dict[str, str]:
    return {f"_{index}": part for index, part in enumerate(_parts(separator, text, count))}


def _parts(separator: str, text: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        characters = list(text)
        return characters if count < 0 or len(characters) <= count else [*characters[: count - 1], "".join(characters[count - 1 :])]
    return text.split(separator, count - 1 if count > 0 else -1)


def _decoded(decode: Callable[[bytes], bytes]) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            return decode("".join(text.split("\n")).encode()).decode()
        except ValueError:
            raise FunctionError("what it decodes is not encoded so, or no text") from None

    return read


def _slug(text: str) -> str:
    """As github.com/gosimple/slug 1.15 with at most 63 characters, cut between words. It transliterates; here only accents are dropped."""
    text = text.strip().replace("&", "and").replace("@", "at")
    plain = "".join(character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character))
    if not plain.isascii():
        raise FunctionError("slugify of letters that are not Latin", unsupported=True)
    slug = re.sub("-+", "-", re.sub("[^a-zA-Z0-9_-]", "-", plain.lower())).strip("-_")
    if len(slug) <= _MOST_SLUG:
        return slug
    cut = slug.rfind("-", 0, _MOST_SLUG + 1)
    return slug[:cut] if cut >= 0 else slug[:_MOST_SLUG]


# Structures


def _get(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key, "")


def _set(mapping: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    mapping[key] = value
    return mapping


def _unset(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    mapping.pop(key, None)
    return mapping


def _dict(*values: Any) -> dict[str, Any]:
    pairs = [*values, ""] if len(values) % 2 else list(values)
    return {go_text(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _keys(*mappings: dict[str, Any]) -> list[str]:
    """Sorted: Go gives them in another order each time."""
    return [key for mapping in mappings for key in sorted(mapping)]


def _dig(*path: Any) -> Any:
    if len(path) < 3 or not isinstance(path[-1], dict):
        raise FunctionError("dig needs keys, a default and a mapping")
    value: Any = path[-1]
    for key in path[:-2]:
        if not isinstance(value, dict) or not isinstance(key, str):
            raise FunctionError("dig through what is no mapping, or by what is no text")
        if key not in value:
            return path[-2]
        value = value[key]
    return value


def _same(first: Any, second: Any) -> bool:
    """Go tells numbers of different types apart, and booleans from numbers."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return type_name(first) == type_name(second) and bool(first == second)


def _contains(needle: Any, items: Iterable[Any]) -> bool:
    return any(_same(needle, item) for item in items)


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    _limit(len(items) ** 2 // 100)
    for item in items:
        if not _contains(item, found):
            found.append(item)
    return found


def _slice(items: list[Any], *bounds: int) -> list[Any]:
    start, end = (bounds[0] if bounds else 0), (bounds[1] if len(bounds) > 1 else len(items))
    if not 0 <= start <= end <= len(items):
        raise FunctionError("slice out of range")
    return items[start:end]


def _chunks(size: int, items: list[Any]) -> list[list[Any]]:
    if size <= 0:
        raise FunctionError("chunks need a size")
    return [items[start : start + size] for start in range(0, len(items), size)]


def _json(value: Any, indent: int | None = None, *, escapes: bool = True) -> str:
    """As encoding/json: sorted keys, and `<`, `>`, `&` escaped unless raw."""
    text = json.dumps(_as_json(value), ensure_ascii=False, indent=indent, separators=(",", ": " if indent else ":"), allow_nan=False)
    if escapes:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _must_from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise FunctionError("what it reads is no JSON") from None


def _yaml(value: Any) -> str:
    return dump(_as_json(value))


def _as_json(value: Any) -> Any:
    """Keys sorted, and numbers as Go writes them: a float that is whole has no point."""
    if isinstance(value, dict):
        return {key: _as_json(value[key]) for key in sorted(value)}
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return [_as_json(item) for item in value] if isinstance(value, list) else value


def _fail(_: str) -> str:
    # The message is put together from data, so it is not shown.
    raise FunctionError("the template calls fail")


def _first_true(*values: Any) -> Any:
    return next((value for value in values if is_true(value)), None)


_TEXTS = {
    "quote": Function(_quote, "a*", deep=True),
    "squote": Function(lambda *values: " ".join(f"'{go_text(value)}'" for value in values if value is not None), "a*", deep=True),
    "cat": Function(lambda *values: " ".join(go_text(value) for value in values if value is not None), "a*", deep=True),
    "lower": Function(str.lower, "s"),
    "upper": Function(str.upper, "s"),
    "title": Function(_title, "s"),
    "trim": Function(str.strip, "s"),
    "trimAll": Function(lambda characters, text: text.strip(characters) if characters else text, "ss"),
    "trimall": Function(lambda characters, text: text.strip(characters) if characters else text, "ss"),
    "trimPrefix": Function(lambda prefix, text: text.removeprefix(prefix), "ss"),
    "trimSuffix": Function(lambda suffix, text: text.removesuffix(suffix), "ss"),
    "trunc": Function(_truncate, "is"),
    "substr": Function(_substring, "iis"),
    "repeat": Function(lambda count, text: text * (_limit(_limit(count) * max(len(text), 1)) and count), "is"),
    "replace": Function(lambda old, new, text: text.replace(old, new), "sss"),
    "contains": Function(lambda part, text: part in text, "ss"),
    "hasPrefix": Function(lambda prefix, text: text.startswith(prefix), "ss"),
    "hasSuffix": Function(lambda suffix, text: text.endswith(suffix), "ss"),
    "indent": Function(_indent, "is"),
    "nindent": Function(lambda spaces, text: "\n" + _indent(spaces, text), "is"),
    "plural": Function(lambda one, many, count: one if count == 1 else many, "ssi"),
    "toString": Function(go_text, "a", deep=True),
    "toStrings": Function(_texts, "a", deep=True),
    "join": Function(lambda separator, values: separator.join(_texts(values)), "sa", deep=True),
    "split": Function(_split, "ss"),
    "splitn": Function(lambda separator, count, text: _split(separator, text, count), "sis"),
    "splitList": Function(_parts, "ss"),
    "sortAlpha": Function(lambda values: sorted(_texts(values)), "a", deep=True),
    "b64enc": Function(lambda text: base64.b64encode(text.encode()).decode(), "s"),
    "b64dec": Function(_decoded(lambda data: base64.b64decode(data, validate=True)), "s"),
    "b32enc": Function(lambda text: base64.b32encode(text.encode()).decode(), "s"),
    "b32dec": Function(_decoded(base64.b32decode), "s"),
    "sha1sum": Function(lambda text: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), "s"),
    "sha256sum": Function(lambda text: hashlib.sha256(text.encode()).hexdigest(), "s"),
    "adler32sum": Function(lambda text: str(zlib.adler32(text.encode())), "s"),
    "slugify": Function(_slug, "s"),
    "hello": Function(lambda: "Hello!", ""),
    "fail": Function(_fail, "s"),
    "base": Function(lambda path: posixpath.basename(path.rstrip("/")) or ("/" if path else "."), "s"),
    "dir": Function(lambda path: posixpath.normpath(posixpath.dirname(path) or "."), "s"),
    "clean": Function(lambda path: posixpath.normpath(path or "."), "s"),
    "ext": Function(lambda path: "." + name.rpartition(".")[2] if "." in (name := path.rpartition("/")[2]) else "", "s"),
    "isAbs": Function(lambda path: path.startswith("/"), "s"),
}
_NUMBERS = {
    "atoi": Function(_int, "s"),
    "int": Function(_int, "a"),
    "int64": Function(_int, "a"),
    "float64": Function(_float, "a"),
    "add1": Function(lambda value: _wrapped(_int(value) + 1), "a"),
    "add": Function(lambda *values: _wrapped(sum(map(_int, values))), "a*"),
    "sub": Function(lambda first, second: _wrapped(_int(first) - _int(second)), "aa"),
    "mul": Function(_product, "aa*"),
    "div": Function(_quotient, "aa"),
    "mod": Function(_remainder, "aa"),
    "max": Function(lambda *values: max(map(_int, values)), "aa*"),
    "biggest": Function(lambda *values: max(map(_int, values)), "aa*"),
    "min": Function(lambda *values: min(map(_int, values)), "aa*"),
    "maxf": Function(lambda *values: max(map(_float, values)), "aa*"),
    "minf": Function(lambda *values: min(map(_float, values)), "aa*"),
    "ceil": Function(lambda value: float(math.ceil(_float(value))), "a"),
    "floor": Function(lambda value: float(math.floor(_float(value))), "a"),
    "round": Function(_round, "aia*"),
    "seq": Function(_sequence, "i*"),
    "until": Function(lambda count: _until(0, count, -1 if count < 0 else 1), "i"),
    "untilStep": Function(_until, "iii"),
}
_STRUCTURES = {
    "default": Function(lambda fallback, *given: given[0] if given and is_true(given[0]) else fallback, "aa*"),
    "empty": Function(lambda value: not is_true(value), "a"),
    "coalesce": Function(_first_true, "a*"),
    "all": Function(lambda *values: all(map(is_true, values)), "a*"),
    "any": Function(lambda *values: any(map(is_true, values)), "a*"),
    "ternary": Function(lambda yes, no, condition: yes if condition else no, "aab"),
    "list": Function(lambda *values: list(values), "a*"),
    "tuple": Function(lambda *values: list(values), "a*"),
    "dict": Function(_dict, "a*"),
    "get": Function(_get, "ms"),
    "set": Function(_set, "msa"),
    "unset": Function(_unset, "ms"),
    "hasKey": Function(lambda mapping, key: key in mapping, "ms"),
    "pluck": Function(lambda key, *mappings: [mapping[key] for mapping in mappings if key in mapping], "sm*"),
    "keys": Function(_keys, "m*"),
    "pick": Function(lambda mapping, *keys: {key: mapping[key] for key in keys if key in mapping}, "ms*"),
    "omit": Function(lambda mapping, *keys: {key: value for key, value in mapping.items() if key not in keys}, "ms*"),
    "values": Function(lambda mapping: [mapping[key] for key in sorted(mapping)], "m"),
    "dig": Function(_dig, "a*"),
    "append": Function(lambda items, value: [*items, value], "la"),
    "push": Function(lambda items, value: [*items, value], "la"),
    "prepend": Function(lambda items, value: [value, *items], "la"),
    "first": Function(lambda items: items[0] if items else None, "l"),
    "last": Function(lambda items: items[-1] if items else None, "l"),
    "rest": Function(lambda items: items[1:], "l"),
    "initial": Function(lambda items: items[:-1], "l"),
    "reverse": Function(lambda items: items[::-1], "l"),
    "uniq": Function(_unique, "l", deep=True),
    "compact": Function(lambda items: [item for item in items if is_true(item)], "l"),
    "without": Function(lambda items, *others: [item for item in items if not _contains(item, others)], "la*", deep=True),
    "has": Function(lambda needle, items: _contains(needle, items), "al", deep=True),
    "slice": Function(_slice, "li*"),
    "concat": Function(lambda *lists: [item for items in lists for item in items], "l*", deep=True),
    "chunk": Function(_chunks, "il", deep=True),
    "deepEqual": Function(_same, "aa", deep=True),
    "toJson": Function(_json, "a", deep=True),
    "toRawJson": Function(lambda value: _json(value, escapes=False), "a", deep=True),
    "toPrettyJson": Function(lambda value: _json(value, 2), "a", deep=True),
    "fromJson": Function(_from_json, "s"),
    "toYaml": Function(_yaml, "a", deep=True),
}
_STRICT = ("append", "prepend", "push", "first", "last", "rest", "initial", "reverse", "uniq", "compact", "without", "has", "slice", "chunk")
_STRICT_TEXTS = ("toJson", "toRawJson", "toPrettyJson", "toYaml")

FUNCTIONS: Mapping[str, Function] = {
    **GO_FUNCTIONS,
    **_TEXTS,
    **_NUMBERS,
    **_STRUCTURES,
    # Elsewhere `must…` gives an error where the other one panics; both end the template.
    **{f"must{name[0].upper()}{name[1:]}": _STRUCTURES[name] for name in (*_STRICT, *_STRICT_TEXTS)},
    "mustFromJson": Function(_must_from_json, "s"),
}
# What Go knows and this module does not: a template that calls one of these is not wrong, but can't be rendered here.
UNSUPPORTED = frozenset(
    """
    call html js urlquery ago duration durationRound toDate mustToDate must_date_modify mustDateModify unixEpoch randInt typeOf typeIs typeIsLike kindOf kindIs
    osBase osClean osDir osExt osIsAbs toDecimal urlParse urlJoin regexMatch mustRegexMatch regexFindAll mustRegexFindAll regexFind mustRegexFind
    regexReplaceAll mustRegexReplaceAll regexReplaceAllLiteral mustRegexReplaceAllLiteral regexSplit mustRegexSplit regexQuoteMeta
    """.split()
)


def dns_name(text: str) -> str:
    """Argo CD's `normalize`: a name as Kubernetes takes it (applicationset, `utils.SanitizeName`)."""
    return re.sub(r"[^-a-z0-9.]", "-", text.lower())[:253].strip("-.")


# What Argo CD 3.5 gives to ApplicationSets: all of sprig but what looks at its host, and four of its own.
ARGO_FUNCTIONS: Mapping[str, Function] = {**{name: function for name, function in FUNCTIONS.items() if name != "inet"}, "normalize": Function(dns_name, "s")}
ARGO_UNSUPPORTED = (
    UNSUPPORTED
    | frozenset(
        """
    fromYaml fromYamlArray abbrev abbrevboth initials randAlphaNum randAlpha randAscii randNumeric randBytes swapcase shuffle snakecase camelcase kebabcase
    wrap wrapWith cat nospace substr trunc untitle semver semverCompare merge mustMerge mergeOverwrite mustMergeOverwrite deepCopy mustDeepCopy
    genPrivateKey derivePassword buildCustomCert genCA genCAWithKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey
    encryptAES decryptAES htpasswd bcrypt uuidv4 sha1sum sha256sum sha512sum adler32sum add1f addf subf mulf divf fromJson mustFromJson osBase
    date dateInZone dateModify date_in_zone date_modify htmlDate htmlDateInZone now toString toStrings split splitn splitList sortAlpha join
    """.split()
    )
    - FUNCTIONS.keys()
)


def _required(message: str, value: Any) -> Any:
    """Helm's `required`: a value that must be given."""
    if value in (None, ""):
        raise FunctionError(message)
    return value


# https://helm.sh/docs/chart_template_guide/function_list, and what Helm's engine adds to sprig.
HELM_FUNCTIONS: Mapping[str, Function] = {
    **{name: function for name, function in ARGO_FUNCTIONS.items() if name != "normalize"},
    "required": Function(_required, "sa"),
}
HELM_UNSUPPORTED = ARGO_UNSUPPORTED | frozenset({"include", "tpl", "lookup", "toToml", "fromToml", "fromJsonArray", "getHostByName"})
