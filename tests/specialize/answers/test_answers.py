"""Answers: tables of hand-made cases for every rule, properties, and hostile texts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.answers import canonical, cut_after_answer, find_answer, is_correct, parse_number

NUMBERS = {
    "18": 18,
    "-3": -3,
    "−3": -3,
    "+3": 3,
    "$18": 18,
    "-$5": -5,
    "$-5": -5,
    "$1,000.50": Fraction(2001, 2),
    "1,000,000": 10**6,
    "1,00,000": 10**5,
    "1\u00a0000": 1000,
    ".5": Fraction(1, 2),
    "0.125": Fraction(1, 8),
    "50%": 50,
    "€ 7": 7,
    "3/4": Fraction(3, 4),
    "3 / 4": Fraction(3, 4),
    "1 1/2": Fraction(3, 2),
    "1-1/2": Fraction(3, 2),
    "2 and 1/2": Fraction(5, 2),
    "½": Fraction(1, 2),
    "2½": Fraction(5, 2),
    r"\frac{3}{4}": Fraction(3, 4),
    r"\dfrac{-3}{4}": Fraction(-3, 4),
    "-(1/3)": Fraction(-1, 3),
    "3e2": 300,
    "1.5e-3": Fraction(3, 2000),
    r"2 \times 10^3": 2000,
    "1.5 million": 1_500_000,
    "9 (apples)": 9,
    "36 (sq. inches)": 36,
    "7th": 7,
    "10 km/hour": 10,
    "#### 18": 18,
    "**42**": 42,
    "(42)": 42,
    "18.": 18,
    "007": 7,
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_numbers_are_read_exactly(text: str, value: Fraction | int) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "5:45", "3:4", "1, 2", "5 and 6", "1/0", "10 - 3", "Vendor 2", "February 3rd",
     "The 60th caller.", "1/2/3", "9" * 500, "1e9999", "1 2 3", "5; 6"],
)  # fmt: skip
def test_what_is_not_one_number_has_no_value(text: str) -> None:
    assert parse_number(text) is None


# a response, the answer found in mode flexible, the one found in mode strict
FOUND = [
    ("She makes 9 * 2 = 18.\nThe answer is $18.", "18", "18"),
    ("The answer is 1,000.", "1,000", "1,000"),
    ("The answer is -3", "-3", "-3"),
    ("The answer is - 3", "-3", "-3"),
    ("So the answer is 5 (see step 2).", "5", "5"),
    ("5 (see step 2)", "5", "5"),
    ("answer is: **42**", "42", "42"),
    ("**Answer:** 42", "42", "42"),
    ("Answer:\n\n42", "42", "42"),
    ("A: 26", "26", "26"),
    ("#### 18 eggs", "18", "18"),
    (r"so $\boxed{42}$.", "42", "42"),
    (r"\boxed{\frac{3}{4}}", "3/4", "3/4"),
    (r"The answer is $\boxed{1{,}234}$.", "1,234", "1,234"),
    ("The final answer is $5$. I hope it is correct.", "5", "5"),
    ("The answer to 3 + 4 is 7.", "7", "7"),
    ("The answer would be 7 days.", "7", "7"),
    ("The answer is x = 5 apples", "5", "5"),
    ("The answer is 2 + 3 = 5 apples.", "5", "5"),
    ("The answer is 5 = 2 + 3.", "5", "5"),
    ("The answer is 18. Because 16 - 3 = 13", "18", "18"),
    ("The answer is 18 because 16 + 2 is", "18", "18"),
    ("The answer is 18; 16-3=13", "18", "18"),
    ("The answer is 5, 15 and 20.", "5, 15 and 20", "5, 15 and 20"),
    ("The answer is 5, which is 2 more than 3.", "5", "5"),
    ("The answer is 5:45 p.m.", "5:45 p.m.", "5:45 p.m."),
    ("It ends at 5:45 p.m. and 3 of them stay", "3", None),
    ("The answer is 10-3", "10-3", "10-3"),
    ("The answer is 50%", "50", "50"),
    ("The answer is Purple.", "Purple", "Purple"),
    ('The answer is "Purple".', "Purple", "Purple"),
    ("The answer is Vendor 2.", "Vendor 2", "Vendor 2"),
    ("Purple", "Purple", "Purple"),
    ("The answer is five.", "five", "five"),
    ("It is 5. The answer is 5 Q: How many? A: The answer is 6", "5", "5"),
    ("The answer is not 4 but 5.", "5", "5"),
    ("The answer is minus 5 degrees", "-5", "-5"),
    ("The answer is 10 minus 5", "10", "10"),
    ("The answer is 5 + 3 apples", "5 + 3 apples", "5 + 3 apples"),
    ("The answer is 9**9**9**9", "9**9**9**9", "9**9**9**9"),
    ("The answer is 7**2", "7**2", "7**2"),
    ("The answer is **7** apples", "7", "7"),
    ("**The answer is 7**", "7", "7"),
    ("So 3 + 4 = 7 apples", "7", None),
    ("3 + 4 = 7, 2 left over:\nprofit - 3 dollars", "3", None),
    ("it is -5 degrees", "-5", None),
    ("The answer is 5. No, the answer is 6.", "6", "6"),
    ("The answer is 5\n\nQ: How many?\nThe answer is 6", "5", "5"),
    ("The answer is 5\nQuestion: How many?\nThe answer is 6", "5", "5"),
    ("A: Let's think step by step.\n3 + 4 = 7", "7", None),
    ("She adds 3 apples. The answer is", "3", None),
    ("She has some apples.\nThen she eats them.", None, None),
    ("", None, None),
    ("   \n ", None, None),
]


@pytest.mark.parametrize(("text", "flexible", "strict"), FOUND)
def test_the_answer_is_found_as_written(
    text: str, flexible: str | None, strict: str | None
) -> None:
    assert find_answer(text) == flexible
    assert find_answer(text, mode="strict") == strict


@pytest.mark.parametrize(("text", "flexible", "strict"), FOUND)
def test_the_answer_that_is_found_grades_as_the_response(
    text: str, flexible: str | None, strict: str | None
) -> None:
    for gold in ("5", "18", "7", "42", "3/4", "Purple", "Vendor 2", "5:45", "5; 15; 20"):
        assert is_correct(text, gold) == (flexible is not None and is_correct(flexible, gold))


def test_other_kinds_are_found_as_phrases() -> None:
    response = "Both are fine. So the answer is (d) math problem."
    assert find_answer(response, kind="choice") == "(d) math problem"
    assert find_answer("It must be (B).", kind="choice") == "It must be (B)"
    assert find_answer("I first took (A) for it.\nNo: (B) is", kind="choice") == "(B)"
    assert find_answer("I first took (A) for it.\nNo: (B) is", kind="choice", mode="strict") is None
    assert find_answer("Yes, she can.", kind="boolean") == "Yes, she can"
    assert find_answer("First\nSo it is true that", kind="boolean") == "true"
    assert find_answer("The answer is (84 / 2).", kind="equation") == "(84 / 2)"
    assert find_answer("one\ntwo words", kind="text") == "two words"
    assert find_answer("Popped.\nSo the answer is ] } ].", kind="bbh") == "] } ]"


RIGHT = [
    ("18", "18"),
    ("18.00", "18"),
    ("$18", "18"),
    ("The answer is 1000", "1,000"),
    ("The answer is 1,000", "1000"),
    ("#### 1,000", "#### 1,000"),
    ("The answer is 18.", "She makes 9 * 2 = 18.\n#### 18"),
    ("The answer is 9", "9 (apples)"),
    ("The answer is 9 apples", "9 (apples)"),
    ("The answer is 0.75", "3/4"),
    ("The answer is 1 1/2", "1.5"),
    ("The answer is -1/3", "-(1/3)"),
    ("The answer is 5:45", "5:45"),
    ("The answer is 5:45 pm", "5:45"),
    ("The answer is 17:45", "5:45 p.m."),
    ("The answer is 3:30", "3:30 p.m."),
    ("The answer is 6:01 p.m.", "6:01:00 p.m."),
    ("The ratio: the answer is 5 to 6.", "5:6"),
    ("The answer is 5 and 15 and 20", "5 (years old); 15 (years old); 20 (years old)"),
    ("The answer is 8 ft, 128 sq ft.", "8 (ft); 128 (sq. ft)"),
    ("The answer is forty-two.", "42"),
    ("The answer is two hundred and six", "206"),
    ("The answer is the Purple.", "Purple"),
    ("The answer is Yes, it is.", "Yes"),
    ("The answer is February 3rd.", "February 3rd"),
    ("The answer is 3 Feb", "February 3rd"),
    ("The answer is 6", "6th"),
    ("The answer is 50%", "50"),
    ("The answer is 12 / 4 = 3", "3"),
    ("The answer is 12 / 4", "3"),
]
WRONG = [
    ("The answer is 2,000", "1,000"),
    ("The answer is 5", "-5"),
    ("5 (see step 2)", "2"),
    ("The answer is 5:45", "5"),
    ("The answer is 5", "5:45"),
    ("The answer is 5:45 a.m.", "5:45 p.m."),
    ("6:1", "6:01:00 p.m."),
    ("The answer is 2:1", "4:2"),
    ("The answer is 15 and 5", "5; 15"),
    ("The answer is 5 and 6", "5"),
    ("The answer is 5 or 6", "6"),
    ("The answer is 5", "5; 15"),
    ("The answer is 0.33", "1/3"),
    ("The answer is Vendor 2", "2"),
    ("The answer is February 3rd", "3"),
    ("The answer is No, it is not.", "Yes"),
    ("The answer is Purple", "Red"),
    ("18", "Purple"),
    ("Purple", "18"),
    ("", "18"),
    ("18", ""),
    ("18", "####"),
    ("The answer is 10 - 3", "3"),
    ("The answer is two three", "5"),
]


@pytest.mark.parametrize(("text", "gold"), RIGHT)
def test_equal_values_are_right(text: str, gold: str) -> None:
    assert is_correct(text, gold)
    assert is_correct(text, gold, mode="strict")


@pytest.mark.parametrize(("text", "gold"), WRONG)
def test_other_values_are_wrong(text: str, gold: str) -> None:
    assert not is_correct(text, gold)
    assert not is_correct(text, gold, mode="strict")


def test_strict_wants_an_announcement() -> None:
    assert is_correct("3 + 4 = 7 apples, I think", "7")
    assert not is_correct("3 + 4 = 7 apples, I think", "7", mode="strict")


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("5 (see step 2)", "2", True),  # the last number wins, whatever it is
        ("1,000", "2,000", True),  # both end in 000
        ("1000", "1,000", False),
        ("-5", "5", True),
        ("5.", "5", True),
        ("5", "5.0", True),
        ("none", "5", False),
        ("5", "none", False),  # the published code counts this as right
        ("none", "none", False),
    ],
)
def test_legacy_is_the_published_rule(text: str, gold: str, right: bool) -> None:
    assert is_correct(text, gold, mode="legacy") is right


def test_legacy_finds_the_last_match() -> None:
    assert find_answer("The answer is 1,000.", mode="legacy") == "000"
    assert find_answer("a .5 b", mode="legacy") == ".5"
    assert find_answer("none", mode="legacy") is None


@pytest.mark.parametrize(
    ("given", "gold", "choices", "right"),
    [
        ("(d)", "(d) math problem", (), True),
        ("d", "(D)", (), True),
        ("D. math problem", "(D)", (), True),
        ("option (d)", "d", (), True),
        ("math problem", "(d) math problem", (), True),
        ("(c) math problem", "(d) math problem", (), False),
        ("math problem", "(b)", ("paper", "math problem"), True),
        ("(b)", "math problem", ("paper", "math problem"), True),
        ("(a)", "math problem", ("paper", "math problem"), False),
        ("a math problem", "(b)", ("paper", "math problem"), True),
        ("math", "(d)", (), False),
        ("The answer is (d) math problem.", "(d)", (), True),
        ("I think that it is (B).", "B", (), True),
        ("Not (A).\nBut surely (B).", "B", (), True),
        ("either (A) or (B)", "A", (), False),
        ("The answer is A because it is red.", "(A)", (), True),
        ("The answer is B, because it is red.", "(B)", (), True),
        ("A red one", "(A)", (), False),
    ],
)
def test_choices_by_letter_text_or_both(
    given: str, gold: str, choices: tuple[str, ...], right: bool
) -> None:
    assert is_correct(given, gold, kind="choice", choices=choices) is right


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("yes", "True", True),
        ("No, it is not true.", "no", True),
        ("The answer is False.", "No", True),
        ("We know it.\nSo it is true that", "yes", True),
        ("The answer is not true.", "False", True),
        ("not false", "yes", True),
        ("maybe", "yes", False),
        ("yes", "maybe", False),
        ("yes", "no", False),
    ],
)
def test_yes_and_no(text: str, gold: str, right: bool) -> None:
    assert is_correct(text, gold, kind="boolean") is right


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("The answer is neutral.", "neutral", True),
        ("Neutral", "neutral", True),
        ("the dog", "dog", True),
        ("May 1, 2021", "05/01/2021", True),
        ("2021-05-01", "05/01/2021", True),
        ("1 May 2021", "May 2, 2021", False),
        ("contradiction", "neutral", False),
        ("dogs", "dog", False),
    ],
)
def test_texts(text: str, gold: str, right: bool) -> None:
    assert is_correct(text, gold, kind="text") is right


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("The answer is (84 / 2).", "( 84.0 / 2.0 )", True),
        ("42", "( 84.0 / 2.0 )", True),
        ("X = 84 / 2", "42", True),
        ("The answer is (84 - 2).", "( 84.0 / 2.0 )", False),
        ("__import__('os')", "42", False),
        ("(84 / 0)", "42", False),
        ("42", "nothing", False),
    ],
)
def test_equations(text: str, gold: str, right: bool) -> None:
    assert is_correct(text, gold, kind="equation") is right


@pytest.mark.parametrize(
    ("said", "gold", "right"),
    [
        ("(A)", "(A)", True),
        ("A", "(A)", True),
        ("(A) 05/01/2021", "(A)", True),
        ("(B)", "(A)", False),
        ("]}]", "] } ]", True),
        ("] }", "] } ]", False),
        ("yes", "Yes", True),
        ("not valid", "invalid", True),
        ("deductively invalid", "valid", False),
        ("valid", "valid", True),
        ("12", "2", False),
        ("24", "24", True),
        ("-24", "24", False),
        ("apple, bird, cat", "apple bird cat", True),
        ("apple cat bird", "apple bird cat", False),
        ("Monsters, Inc.", "Monsters, Inc", True),
        ("nothing", "no", False),
    ],
)
def test_forms_of_big_bench_hard(said: str, gold: str, right: bool) -> None:
    for text in (said, f"First this.\nSo the answer is {said}."):
        assert is_correct(text, gold, kind="bbh") is right


def test_published_rules_of_big_bench_hard() -> None:
    text = "So the answer is (A) blue."
    assert not is_correct(text, "(A)", kind="bbh", mode="strict")
    assert is_correct(text, "(A)", kind="bbh", mode="legacy")
    assert is_correct("So the answer is 12.", "2", kind="bbh", mode="legacy")
    assert not is_correct("12", "2", kind="bbh", mode="legacy")
    assert is_correct("So the answer is (A).", "(A)", kind="bbh", mode="strict")


def test_cut_after_the_answer_line() -> None:
    assert cut_after_answer("a\nThe answer is 5.\nQ: b\nThe answer is 6") == "a\nThe answer is 5."
    assert cut_after_answer("The answer is 5") == "The answer is 5"
    assert cut_after_answer("The Answer Is 5") is None
    assert cut_after_answer("") is None


def test_canonical_is_equal_for_equal_answers() -> None:
    for same in (("1,000.00", "1000", "$1,000"), ("0.75", "3/4", r"\frac{3}{4}"), ("Red.", "red")):
        assert len({canonical(answer) for answer in same}) == 1, same
    assert canonical("5 and 6") != canonical("5")
    assert canonical("5:45") != canonical("545")
    assert canonical("84 / 2", kind="equation") == canonical("42", kind="equation")
    assert canonical("(d) math", kind="choice") == canonical("D", kind="choice")
    assert canonical("Yes!", kind="boolean") == canonical("true", kind="boolean")
    assert canonical("maybe", kind="boolean") == "maybe"


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of answer 'numbr'; one of number"):
        is_correct("1", "2", kind="numbr")  # type: ignore[arg-type]


decimals = st.decimals(-(10**9), 10**9, allow_nan=False, places=3)


@given(decimals, st.sampled_from(["{}", "The answer is {}.", "#### {}", r"\boxed{{{}}}", "A: {}"]))
def test_any_decimal_is_read_back(number: Decimal, template: str) -> None:
    for written in (f"{number}", f"{number:,}", f"${number}" if number >= 0 else f"-${-number}"):
        text = template.format(written)
        assert is_correct(text, str(number)), text
        assert is_correct(text, f"{number:,}", mode="strict"), text
        assert not is_correct(text, str(number + 1)), text


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4))
def test_any_fraction_is_read_back(over: int, under: int) -> None:
    assert parse_number(f"{over}/{under}") == Fraction(over, under)
    assert is_correct(f"The answer is {over}/{under} cups", str(Fraction(over, under)))


texts = st.text(max_size=80) | st.text(
    "0123456789.,:;/-+*x()[]{}$%=#^ \nAQanswer is\\boxedfrac½", max_size=120
)
kinds = st.sampled_from(["number", "choice", "boolean", "text", "equation", "bbh"])
modes = st.sampled_from(["flexible", "strict", "legacy"])


@given(texts, texts, kinds, modes)
def test_any_text_is_graded(text: str, gold: str, kind: str, mode: str) -> None:
    assert is_correct(text, gold, kind=kind, mode=mode) in {True, False}
    found = find_answer(text, mode=mode, kind=kind)
    assert found is None or (found.strip() == found and found != "")
    assert isinstance(canonical(text, kind=kind), str)


@given(texts)
def test_strict_finds_nothing_that_flexible_does_not(text: str) -> None:
    strict = find_answer(text, mode="strict")
    assert strict is None or strict == find_answer(text)


@given(texts, st.sampled_from(["5", "-3", "3/4", "1,000", "5:45", "5; 6", "12 (apples)"]))
def test_what_is_found_grades_as_the_text(text: str, gold: str) -> None:
    found = find_answer(text)
    if found is not None and text.strip() != gold:
        assert is_correct(found, gold) == is_correct(text, gold)


MEGABYTE = 1_000_000
HOSTILE = {
    "tower of powers": "The answer is 9**9**9**9",
    "tower of carets": "9^9^9^9",
    "digits": "9" * MEGABYTE,
    "announced digits": "The answer is " + "9" * MEGABYTE,
    "small digits": "0." + "0" * MEGABYTE + "1",
    "parentheses": "(" * MEGABYTE + "1" + ")" * MEGABYTE,
    "announced parentheses": "The answer is " + "(" * 400 + "1" + ")" * 400,
    "fractions": "1/" * (MEGABYTE // 2) + "1",
    "markers": "####" * (MEGABYTE // 4),
    "boxes": "\\boxed{" * (MEGABYTE // 7),
    "signs": "-" * MEGABYTE + "5",
    "newlines": "\n" * MEGABYTE,
    "list": "5 and " * (MEGABYTE // 6),
    "exponent": "The answer is 1e999999999",
    "code": "The answer is __import__('os').system('touch graded')",
    "nul and surrogates": "\0\ud800" * 1000 + "The answer is 5",
    "vulgar": "½" * MEGABYTE,
    "open blocks": "<think>" * (MEGABYTE // 7),
    "closed blocks": "</think>" * (MEGABYTE // 8),
    "latex fractions": "\\frac{" * (MEGABYTE // 6),
    "short fractions": "\\frac1" * (MEGABYTE // 6),
    "run-ons": "\nProblem 2:" * (MEGABYTE // 11),
    "headings": "\n### " * (MEGABYTE // 5),
    "announcements": "The answer is " * (MEGABYTE // 14),
    "displays": "The answer is \\[" * (MEGABYTE // 16),
    "words": "The answer is " + "hundred and " * 80,
    "options": "The answer is " + "A, " * 300,
    "denials": "The answer is " + "not (A) " * 120,
    "letters": "(A) or " * (MEGABYTE // 7),
    "sums": "The answer is " + "1+" * 400 + "1, which is many",
    "groups": "1 000 " * (MEGABYTE // 6),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_graded(
    name: str, tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = HOSTILE[name]
    for kind in ("number", "choice", "boolean", "text", "equation", "bbh"):
        if name not in {"nul and surrogates", "signs", "list"}:
            assert not is_correct(text, "5", kind=kind)
        assert not is_correct("5", text, kind=kind)
        canonical(text, kind=kind)
    assert parse_number(text) is None
    assert not (tmp_path / "graded").exists()
