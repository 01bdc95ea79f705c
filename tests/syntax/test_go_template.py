"""The results are those of Go 1.26 with slim-sprig 3.0 and `missingkey=error`, taken from a program that does what Flux Operator does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.syntax.go_template import ARGO_CD, HELM, TemplateError, render, render_lines

INPUTS: dict[str, Any] = {
    "a": "x",
    "text": 'Hello Wörld "q" \\ \t',
    "n": 3,
    "f": 1.5,
    "big": 123456789.0,
    "yes": True,
    "nothing": None,
    "empty": "",
    "items": ["p", "q", None, "p"],
    "none": [],
    "lines": "a\nb\n",
    "map": {"k": "v", "b": {"c": [1, {"d": True}]}, "n": None},
}
DATA = {"inputs": INPUTS}


def failure(template: str, data: dict[str, Any] | None = None) -> TemplateError:
    with pytest.raises(TemplateError) as error:
        render(template, DATA if data is None else data)
    return error.value


# Actions


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a << inputs.a >> b", "a x b"),
        ("<<inputs.a>>", "x"),
        ("<< inputs.map.b.c >>", "[1 map[d:true]]"),
        ("<< (index inputs.map.b.c 1).d >>", "true"),
        ("<< index inputs.items 0 >> << index inputs.map `k` >> << index inputs.map `zz` >>", "p v <no value>"),
        ("<< inputs.items >> << inputs.nothing >> << inputs.f >> << inputs.big >>", "[p q <nil> p] <no value> 1.5 1.23456789e+08"),
        ("<< 1e6 >> << 0x10 >> << 1.5e-7 >> << 'a' >> << 010 >> << 1_000 >> << 0.00001 >> << -0.0 >>", "1e+06 16 1.5e-07 97 8 1000 1e-05 -0"),
        (r'<< `raw "x"` >> << "esc \t \u00e9 \x41" >> << "a>>b" >>', 'raw "x" esc \t é A a>>b'),
        ("<< inputs.map.b.c | len | printf `%d items` >>", "2 items"),
        ("<< (print inputs.a `b`) | upper >> << ((inputs.map).b).c >>", "XB [1 map[d:true]]"),
        ("<< $x := 1 >><< if true >><< $x = 2 >><< $y := 3 >><< end >><< $x >>", "2"),
        ("<</* a comment */>>a", "a"),
    ],
)
def test_an_action_writes_the_value_of_its_pipeline(template: str, expected: str) -> None:
    assert render(template, DATA) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (" x <<- inputs.a ->> y ", " xxy "),
        ("x\n<<- /* c\nd */ ->>\n\ny", "xy"),
        ("<< if true ->>  a  <<- end >> b", "a b"),
        ("x <<inputs.a ->>\n\t y", "x xy"),
        ("x <<-3>> y", "x -3 y"),
        ("a:\n<<- range $i, $e := inputs.items >>\n- << $e | default `d` >>\n<<- end >>\nb: c\n", "a:\n- p\n- q\n- d\n- p\nb: c\n"),
    ],
)
def test_trim_markers_take_the_space_beside_them(template: str, expected: str) -> None:
    assert render(template, DATA) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<< if inputs.nothing >>1<< else if inputs.empty >>2<< else if inputs.n >>3<< else >>4<< end >>", "3"),
        ("<< if and inputs.yes inputs.a >>y<< end >>", "y"),
        ("<< if $x := inputs.a >><< $x >><< else >><< $x >><< end >>", "x"),
        ("<< with inputs.map >><< .k >><< end >>", "v"),
        ("<< with $x := inputs.map >><< $x.k >><< else >>n<< end >>", "v"),
        ("<< with inputs.nothing >>x<< else with inputs.a >><< . >><< else >>n<< end >>", "x"),
        ("<< range inputs.items >>[<< . >>]<< end >>", "[p][q][<no value>][p]"),
        ("<< range $k, $v := inputs.map >><< $k >>,<< end >>", "b,k,n,"),
        ("<< range inputs.none >>x<< else >>none<< end >>", "none"),
        ("<< range inputs.nothing >>x<< else >>none<< end >>", "none"),
        ("<< range $i := 3 >><< $i >><< end >>", "012"),
        ("<< range inputs.items >><< if eq . `q` >><< break >><< end >><< . >><< end >>", "p"),
        ("<< range $e := inputs.items >><< if not $e >><< continue >><< end >><< $e >><< end >>", "pqp"),
    ],
)
def test_blocks_choose_and_repeat(template: str, expected: str) -> None:
    assert render(template, DATA) == expected


def test_other_delimiters_leave_those_of_helm_alone() -> None:
    assert render("{{ .name }} << .name >>", {"name": "x"}, ARGO_CD) == "x << .name >>"


def test_helm_asks_for_what_is_required_and_leaves_the_rest_empty() -> None:
    assert render('{{ required "it must be there" .Values.a }} {{ .Values.b }}', {"Values": {"a": 1}}, HELM) == "1 <no value>"
    with pytest.raises(TemplateError, match="it must be there"):
        render('{{ required "it must be there" .Values.b }}', {"Values": {}}, HELM)
    assert render("{{ .Values.x }} << inputs.a >>", DATA) == "{{ .Values.x }} x"


# Functions


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<< eq inputs.a `x` >> << eq inputs.a `y` `x` >> << ne inputs.a `x` >> << lt 1 2 >> << le 2 2 >>", "true true false true true"),
        ("<< gt `b` `a` >> << ge 1.5 2.5 >> << eq inputs.n 3 >> << eq inputs.nothing nil >> << not inputs.a >>", "true false true true false"),
        ("<< and inputs.yes inputs.empty >>|<< or inputs.empty inputs.a >>|<< or inputs.empty inputs.nothing >>", "|x|<no value>"),
        ("<< and false (index inputs.none 1) >>", "false"),
        ("<< len inputs.text >> << len inputs.items >> << len inputs.map >>", "20 4 3"),
        ("<< get inputs `zz` | default inputs.a >> << 0 | default 5 >> << hasKey inputs `a` >>", "x 5 true"),
        ("<< inputs.text | quote >> << inputs.n | quote >> << inputs.nothing | quote >>", '"Hello Wörld \\"q\\" \\\\ \\t" "3" '),
        ("<< squote inputs.a inputs.n inputs.nothing >> << cat inputs.a inputs.n inputs.nothing `b` >>", "'x' '3' x 3 b"),
        ("<< inputs.map | toYaml >>", 'b:\n  c:\n  - 1\n  - d: true\nk: v\n"n": null\n'),
        ("<< inputs.map.b | toYaml | nindent 4 >>|", "\n    c:\n    - 1\n    - d: true\n    |"),
        ("<< inputs.map | toJson >> << `<&>` | toJson >> << `<&>` | toRawJson >>", '{"b":{"c":[1,{"d":true}]},"k":"v","n":null} "\\u003c\\u0026\\u003e" "<&>"'),
        ('<< (`{"a":[1,2.5]}` | fromJson).a >> << `no json` | fromJson >>', "[1 2.5] <no value>"),
        ("<< inputs.lines | indent 2 >>|", "  a\n  b\n  |"),
        ("<< upper `é` >> << title `hello big-world it's` >> << trim `  a ` >> << trimAll `$` `$5$` >>", "É Hello Big-World It'S a 5"),
        ("<< trimPrefix `he` `hello` >> << trimSuffix `lo` `hello` >> << replace `l` `L` `hello` >> << repeat 2 `ab` >>", "llo hel heLLo abab"),
        ("<< contains `ell` `hello` >> << hasPrefix `h` `hello` >> << hasSuffix `x` `hello` >>", "true true false"),
        ("<< trunc 3 `hello` >> << trunc -3 `hello` >> << substr 1 3 `hello` >> << substr 1 -1 `hello` >>", "hel llo el ello"),
        ("<< join `,` inputs.items >> << (split `,` `a,b`)._1 >> << splitList `,` `a,b,c` >> << splitn `,` 2 `a,b,c` >>", "p,q,p b [a b c] map[_0:a _1:b,c]"),
        ("<< $d := dict `a` 1 >><< $_ := set $d `b` 2 >><< $d >> << unset $d `a` >> << keys $d >>", "map[a:1 b:2] map[b:2] [b]"),
        ("<< dig `b` `c` `none` inputs.map >> << dig `q` `c` `none` inputs.map >> << pick inputs.map `k` >>", "[1 map[d:true]] none map[k:v]"),
        ("<< ternary `y` `n` inputs.yes >> << empty inputs.none >> << coalesce inputs.nothing inputs.empty `c` >>", "y true c"),
        ("<< int `12` >> << int `1.5` >> << int 2.9 >> << float64 `2.50` >> << int true >>", "12 0 2 2.5 1"),
        ("<< add 1 2 `3` >> << sub 5 7 >> << mul 2 3 4 >> << div -7 2 >> << mod -7 2 >> << max 1 5 3 >>", "6 -2 24 -3 -1 5"),
        ("<< until 3 >> << untilStep 0 10 3 >> << seq 5 >> << seq 0 2 10 >> << seq 5 1 >>", "[0 1 2] [0 3 6 9] 1 2 3 4 5 0 2 4 6 8 10 5 4 3 2 1"),
        ("<< first inputs.items >> << last inputs.items >> << rest inputs.items >> << uniq inputs.items >>", "p p [q <nil> p] [p q <nil>]"),
        (
            "<< has `p` inputs.items >> << without inputs.items `p` >> << slice inputs.items 1 3 >> << compact inputs.items >>",
            "true [q <nil>] [q <nil>] [p q p]",
        ),
        ("<< b64enc `hello` >> << b64dec `aGVsbG8=` >> << adler32sum `a` >>", "aGVsbG8= hello 6422626"),
        ("<< slugify `Hello World & Co @ Home` >> << slugify `>=1.0.0-rc.0` >> << slugify `Ünïcode é` >>", "hello-world-and-co-at-home 1-0-0-rc-0 unicode-e"),
        (
            "<< slugify `feature/some-very-long-branch-name-that-goes-on-and-on-until-it-is-cut` >>",
            "feature-some-very-long-branch-name-that-goes-on-and-on-until-it",
        ),
        ("<< printf `%s-%d-%03d-%v-%q-%5s|%-5s|%t%%` `a` 1 7 inputs.none `q` `r` `l` true >>", 'a-1-007-[]-"q"-    r|l    |true%'),
        ("<< printf `%.2f|%8.3f|%x|%+d` 1.5 2.25 255 5 >>", "1.50|   2.250|ff|+5"),
        ("<< print `a` 1 2 `b` >> << print 1 2 >> << println `a` 1 >>", "a1 2b 1 2 a 1\n"),
    ],
)
def test_functions_give_what_go_gives(template: str, expected: str) -> None:
    assert render(template, DATA) == expected


def test_a_template_may_change_its_own_mappings_but_not_the_callers() -> None:
    data = {"inputs": {"map": {"a": 1}}}

    assert render("<< $_ := set inputs.map `b` 2 >><< inputs.map >>", data) == "map[a:1 b:2]"
    assert data == {"inputs": {"map": {"a": 1}}}


# What is wrong


@pytest.mark.parametrize(
    ("template", "line", "column", "message"),
    [
        ("<< nope >>", 1, 4, "function 'nope' is not defined"),
        ("a\n  << if true >><< nope >><< end >>", 2, 19, "function 'nope' is not defined"),
        ("<< inputs.zz >>", 1, 4, "map has no entry for key 'zz'"),
        ("<< inputs.a.b >>", 1, 4, "can't evaluate field b in type string"),
        ("<< inputs.nothing.b >>", 1, 4, "can't evaluate field b in type nil"),
        ("<< upper inputs.n >>", 1, 4, "wrong type for value of upper: expected string, got int"),
        ("<< upper >>", 1, 4, "wrong number of arguments for upper: it takes 1, not 0"),
        ("<< inputs.a `b` >>", 1, 4, "can't give an argument to what is no function"),
        ("<< 1 | 2 >>", 1, 8, "what takes the value of a pipe must be a function"),
        ("<< eq inputs.a 1 >>", 1, 4, "eq: incompatible types for comparison"),
        ("<< index inputs.items 9 >>", 1, 4, "index: index out of range"),
        ("<< range inputs.a >>x<< end >>", 1, 4, "range can't iterate over type string"),
        ("<< if true >><< $y := 3 >><< end >><< $y >>", 1, 39, "undefined variable $y"),
        ("<< if true >>a", 1, 4, "'if' without 'end'"),
        ("<< end >>", 1, 4, "unexpected 'end'"),
        ("<< >>", 1, 1, "missing value for command"),
        ("x\n<< inputs.a", 2, 1, "unclosed action"),
        ("<< `abc >>", 1, 4, "unterminated string"),
        ("<< ( inputs.a >>", 1, 4, "unclosed parenthesis"),
        ("<< inputs.a ) >>", 1, 13, "unexpected ')'"),
        ("<< nil >>", 1, 4, "nil is not a command"),
        ("<< break >>", 1, 1, "'break' outside of a range"),
        ("<</* c >>", 1, 3, "unclosed comment"),
        ("<< div 1 0 >>", 1, 4, "div: division by zero"),
        ("<< fail `x` >>", 1, 4, "fail: the template calls fail"),
        ("cat <<EOF", 1, 5, "unclosed action"),
        ("<<<inputs.a>>>", 1, 3, "unexpected '<' in an action"),
    ],
)
def test_what_go_refuses_is_an_error_with_its_place(template: str, line: int, column: int, message: str) -> None:
    error = failure(template)

    assert (error.message, error.line, error.column, error.unsupported) == (message, line, column, False)


@pytest.mark.parametrize(
    "template",
    ["<< define `x` >><< end >>", "<< template `x` >>", "<< regexMatch `a` `b` >>", "<< urlParse `a` >>", "<< slugify `日本` >>", "<< printf `%d` `x` >>"],
)
def test_what_go_would_render_and_this_does_not_says_so(template: str) -> None:
    assert failure(template).unsupported


def test_what_is_not_supported_hurts_only_where_it_is_called() -> None:
    assert render("<< if false >><< regexMatch `a` `b` >><< end >>ok", DATA) == "ok"


def test_an_error_quotes_no_data() -> None:
    data = {"inputs": {"password": "hunter2", "n": "hunter2"}}
    templates = [
        "<< fail inputs.password >>",
        "<< inputs.password.x >>",
        "<< b64dec inputs.n >>",
        "<< mustFromJson inputs.n >>",
        "<< index inputs inputs.n 1 >>",
    ]

    assert [template for template in templates if "hunter2" in failure(template, data).message] == []


@pytest.mark.parametrize("template", ["<< inputs.__class__ >>", "<< (list).__len__ >>", "<< len.__globals__ >>", "<< __import__ `os` >>"])
def test_python_can_not_be_reached(template: str) -> None:
    assert not failure(template).unsupported


def test_formats_are_those_of_go_only() -> None:
    assert render("<< printf `{0.__class__} %s` `x` >>", DATA) == "{0.__class__} x"


# Bounds


@pytest.mark.parametrize(
    "template",
    [
        "<< range 2000000 >>x<< end >>",
        "<< range until 100000 >><< range until 100000 >>x<< end >><< end >>",
        "<< range 100000 >><< repeat 1000 `x` >><< end >>",
        "<< repeat 1000000000 `x` >>",
        "<< indent 1000000000 `x` >>",
        "<< until 1000000000 >>",
        "<< $x := `x` >><< range 100 >><< $x = print $x $x >><< end >>",
        "<< $x := list 1 >><< range 100 >><< $x = list $x $x >><< end >><< $x | toJson >>",
        "<< $x := list 1 >><< range 100 >><< $x = list $x $x >><< end >><< $x >>",
        "<< $d := dict >><< $_ := set $d `d` $d >><< $d >>",
        "<< if true >>" * 100 + "<< end >>" * 100,
        "<< " + "(" * 100 + "1" + ")" * 100 + " >>",
    ],
)
def test_what_would_take_too_much_is_stopped(template: str) -> None:
    error = failure(template)

    assert error.unsupported or " allows more than " in str(error)


_PIECES = [
    "<<",
    ">>",
    "<<-",
    "->>",
    " ",
    "\n",
    "inputs",
    ".a",
    "$x",
    ":=",
    "|",
    "(",
    ")",
    "if",
    "else",
    "end",
    "range",
    "with",
    "1",
    '"s"',
    "quote",
    "eq",
    "text",
]


def lines_or_error(template: str) -> tuple[int, int]:
    """How many lines the result has beyond those that its lines are told for, and the line of the error if it is refused."""
    try:
        rendered = render_lines(template, DATA)
    except TemplateError as error:
        return 0, error.line
    return len(rendered.lines) - rendered.text.count("\n") - 1, 1


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_rendered_or_refused_in_one_of_its_lines(template: str) -> None:
    surplus, line = lines_or_error(template)

    assert surplus == 0
    assert 1 <= line <= template.count("\n") + 1


@given(st.text(alphabet=st.characters(exclude_characters="<", exclude_categories=("Cs",))))
@settings(max_examples=50, deadline=None)
def test_text_without_delimiters_stays_as_it_is(text: str) -> None:
    assert render_lines(text, {}).text == text


def test_each_line_knows_the_line_of_the_template_that_it_comes_from() -> None:
    template = "a\n<<- range inputs.items >>\n- b\n<<- end >>\nc: << inputs.map | toYaml | nindent 2 >>\nd"
    rendered = render_lines(template, {"inputs": {"items": [1, 2], "map": {"k": 1}}})

    assert rendered.text.split("\n") == ["a", "- b", "- b", "c: ", "  k: 1", "  ", "d"]
    assert rendered.lines == (1, 3, 3, 5, 5, 5, 6)
