from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.manifests.expressions import Expansion, ExpressionError, expand

VARIABLES: dict[str, str | None] = {"app": "weather", "empty": "", "path": "a.b.c/d", "umlaut": "über", "lines": "one\ntwo\n", "secret": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no expression, $HOME, a $ alone", "no expression, $HOME, a $ alone"),
        ("x-${app}-y", "x-weather-y"),
        ("${missing}", ""),
        ("$${app} and $$$${app}", "${app} and $${app}"),
        ("$$${app}", "$weather"),
        ("cost: 5$$", "cost: 5$"),
        ("${lines}", "onetwo"),
        ("${empty:-x}${missing:=y}${missing=z}${app:-q}", "xyzweather"),
        ("${missing:?told}${app:?told}", "toldweather"),
        ("${missing:+set}${app:+set}", "setweather"),
        ("${missing:-}", ""),
        ("${missing:-${app:+x}-${empty:-deep}}", "weather-deep"),
        ("${missing:-a:b/c#d}", "a:b/c#d"),
        ("${path#*.}", "b.c/d"),
        ("${path##*.}", "c/d"),
        ("${path%.*}", "a.b"),
        ("${path%%.*}", "a"),
        ("${path#zzz}", "a.b.c/d"),
        ("${path/./-}", "a-b.c/d"),
        ("${path//./-}", "a-b-c/d"),
        ("${path//.}", None),
        ("${path//./}", "abc/d"),
        ("${path/#a/X}", "X.b.c/d"),
        ("${path/%d/X}", "a.b.c/X"),
        (r"${path/\//:}", "a.b.c:d"),
        ("${app:2}", "ather"),
        ("${app:2:3}", "ath"),
        ("${app:-3}", "weather"),
        ("${app:0:-2}", "weath"),
        ("${app:x}", "weather"),
        ("${app:99}", ""),
        ("${app^}${app^^}${app,}${app,,}", "WeatherWEATHERweatherweather"),
        ("${umlaut^}", "Über"),
        ("${#app}${#umlaut}${#missing}", "750"),
        ("${1}", ""),
        ("${app", None),
        ("${}", None),
        ("${app-x}", None),
        ("${app+x}", None),
        ("${app:}", None),
        ("${app.x}", None),
        ("${ app }", None),
        ("${missing:-${app}", None),
        ("{{ .Values.x }} ${app@Q}", None),
    ],
)
def test_expressions_read_as_envsubst_reads_them(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ExpressionError):
            expand(text, VARIABLES)
    else:
        assert expand(text, VARIABLES).text == expected


def test_a_variable_without_fallback_that_is_not_there_is_told() -> None:
    expected = Expansion("//x", undefined=("one", "two"))

    assert expected == expand("${one}/${two^^}/${three:-x}", {})


def test_what_rests_on_an_unknown_value_stays_as_it_is() -> None:
    expected = Expansion("${secret}-${secret:-x}-${app/e/${secret}}-${secret}", unknown=("secret",) * 4)

    assert expected == expand("${secret}-${secret:-x}-${app/e/${secret}}-${empty:-${secret}}", VARIABLES)


def test_where_more_variables_may_exist_none_is_undefined() -> None:
    expected = Expansion("b-${other}-${more:-x}", unknown=("other", "more"))

    assert expand("${a}-${other}-${more:-x}", {"a": "b"}, complete=False) == expected


@pytest.mark.parametrize("depth", [20, 500, 20_000])
def test_deep_nesting_ends_in_an_answer_or_a_refusal(depth: int) -> None:
    text = "${a:-" * depth + "x" + "}" * depth
    if depth < 100:
        assert expand(text, {}).text == "x"
    else:
        with pytest.raises(ExpressionError, match="nested too deeply"):
            expand(text, {})


@given(st.text(alphabet="${}:-=/#%^,\\ab1 "))
@settings(max_examples=150, deadline=None)
def test_any_text_expands_or_is_refused(text: str) -> None:
    try:
        expansion = expand(text, {"a": "b", "b": None})
    except ExpressionError:
        expansion = None

    if "$" not in text:
        assert expansion == Expansion(text)
