r"""Numbers as people and models write them: what is read, and its neighbours that are not."""

from __future__ import annotations

import pytest

from specialize.answers import canonical, find_answer, is_correct

FLOATS = [
    ("2/3", "0.6666666666666666"),
    ("1/3", "0.3333333333333333"),
    ("5/6", "0.8333333333333334"),
    ("22/7", "3.142857142857143"),
    ("17/7", "2.4285714285714284"),
    ("0.3", "0.30000000000000004"),
    ("-2/3", "-0.6666666666666666"),
    ("16 2/3", "16.666666666666668"),
    (r"\frac{2}{3}", "0.6666666666666666"),
    ("66 2/3%", "66.66666666666667"),
    ("0.666666666666667", "0.6666666666666666"),
    ("3.141592653589793", "3.14159265358979"),
    ("1/7", "0.14285714285714285"),
]


@pytest.mark.parametrize(("said", "gold"), FLOATS)
def test_golds_that_are_floats(said: str, gold: str) -> None:
    for given, wanted in ((said, gold), (gold, said)):
        assert is_correct(f"The answer is {given}.", wanted)
        assert is_correct(f"The answer is {given}.", wanted, mode="strict")
    assert canonical(said) == canonical(gold)


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("2/3", "0.67"),
        ("2/3", "0.6667"),
        ("0.67", "0.6666666666666666"),
        ("0.6666", "0.6666666666666666"),
        ("1234567890123456", "1234567890123457"),
        ("3.14", "3.141592653589793"),
        ("22/7", "3.141592653589793"),
        ("0.3", "0.3000001"),
        ("1/3", "0.3333333"),
        ("12345678.25", "12345678.26"),
    ],
)
def test_other_floats_differ(said: str, gold: str) -> None:
    assert not is_correct(f"The answer is {said}.", gold)
    assert not is_correct(f"The answer is {gold}.", said)


# what follows "The answer is ", and its value
READ = [
    # one value said twice
    ("0.6 or 3/5", "3/5"),
    ("0.6 or 3/5", "0.6"),
    ("3/5, or 0.6", "3/5"),
    ("1/2 or 0.5 cups", "0.5"),
    ("1.5 or 1 1/2", "3/2"),
    ("3/5 (or 0.6)", "0.6"),
    ("3/5, i.e. 0.6", "0.6"),
    ("1/4 or 25%", "1/4"),
    ("2 1/2 or 2.5 or 5/2", "2.5"),
    ("60 or sixty", "60"),
    # words
    ("nine point eight", "9.8"),
    ("zero point zero five", "0.05"),
    ("twenty-one point four", "21.4"),
    ("point five", "0.5"),
    ("two and a half", "2.5"),
    ("two and a half hours", "2.5"),
    ("one and a half", "1.5"),
    ("three and three quarters", "3.75"),
    ("three and one third", "10/3"),
    ("a half", "0.5"),
    ("one half", "0.5"),
    ("half", "0.5"),
    ("two thirds", "2/3"),
    ("two-thirds of a cup", "2/3"),
    ("three quarters", "0.75"),
    ("five eighths", "5/8"),
    ("a dozen", "12"),
    ("half a million", "500000"),
    ("one hundred and one", "101"),
    ("a hundred", "100"),
    ("one thousand two hundred thirty-four", "1234"),
    ("minus seven", "-7"),
    ("negative two and a half", "-2.5"),
    ("2 and a half", "2.5"),
    ("two-and-a-half", "2.5"),
    ("20 - 5, leaving 15", "15"),
    ("(3 + 4) * 2, which equals 14", "14"),
    ("2 and three quarters", "2.75"),
    ("nineteen hundred", "1900"),
    ("two point five million", "2500000"),
    ("fifty percent", "50"),
    # a calculation with its result in words
    ("90 + 80 + 150, which equals 320", "320"),
    ("90 + 80 + 150, which is 320", "320"),
    ("90 + 80 + 150 which gives 320 in total", "320"),
    ("90 + 80 + 150, giving 320.", "320"),
    ("90 + 80 + 150, or 320", "320"),
    ("90 + 80 + 150, so 320", "320"),
    ("90 + 80 + 150 -> 320", "320"),
    ("90 + 80 + 150 → 320", "320"),
    ("12 * 5, that is 60 pens", "60"),
    ("12 x 5, which makes 60", "60"),
    ("12 × 5, for a total of 60", "60"),
    ("$12 + $5, which comes to $17", "17"),
    ("90 plus 80, which equals 170", "170"),
    ("the sum of 90 and 80, which is 170", "170"),
    # scales
    ("$70k", "70000"),
    ("70K", "70000"),
    ("$1.5k per month", "1500"),
    ("1.5M", "1500000"),
    ("$2M", "2000000"),
    ("$2m", "2000000"),
    ("$1.2B", "1200000000"),
    ("1.2bn", "1200000000"),
    ("$3 mn", "3000000"),
    ("$70 thousand", "70000"),
    ("-$70k", "-70000"),
    # digits in groups
    ("12 500", "12500"),
    ("12 500 people", "12500"),
    ("1 234 567", "1234567"),
    ("12\u202f500", "12500"),
    ("12'500", "12500"),
    ("12’500", "12500"),
    ("$12 500.50", "12500.5"),
    ("-12 500", "-12500"),
    ("12_500", "12500"),
    # other characters for the same
    ("１２", "12"),
    ("１２，５００", "12500"),
    ("－５", "-5"),
    ("−5", "-5"),
    ("–5", "-5"),
    ("‒5", "-5"),
    ("‑5", "-5"),
    ("﹣5", "-5"),
    ("3．5", "3.5"),
    ("＄１８", "18"),
    ("1‚250", "1250"),
    ("３／４", "3/4"),
    ("50％", "50"),
    # no answer twice
    ("not 4, it is 5", "5"),
    ("not 4 but 5", "5"),
]


@pytest.mark.parametrize(("said", "gold"), READ)
def test_numbers_that_are_read(said: str, gold: str) -> None:
    for text in (f"The answer is {said}.", f"3 + 9 = 12.\n**Answer:** {said}"):
        assert is_correct(text, gold)
        assert is_correct(text, gold, mode="strict")
        assert is_correct(find_answer(text) or "", gold), find_answer(text)


NOT_READ = [
    ("5 or 6", ["5", "6", "56"]),
    ("0.6 or 3/4", ["0.6", "3/4"]),
    ("1/4 or 0.5", ["1/4", "0.5"]),
    ("five or six", ["5", "6", "11"]),
    ("five and six", ["5", "6", "11"]),
    ("5 and 5", ["5", "10"]),
    ("1/4 or 26%", ["1/4", "26"]),
    ("nine point", ["9.1"]),
    ("two and a dog", ["2.5"]),
    ("no one", ["1"]),
    ("half past five", ["5", "0.5", "1/2"]),
    ("a quarter to nine", ["9", "1/4"]),
    ("the second half", ["2", "1/2"]),
    ("twenty-fifth", ["4", "20", "25/5"]),
    ("two three", ["2", "3", "5", "23"]),
    ("the point five", ["0.5"]),
    ("twenty and five", ["25", "20", "5"]),
    ("90 + 80 + 150, which equals 320", ["90", "150"]),
    ("320, which equals 90 + 80 + 150", ["150", "90"]),
    ("5, which is 2 more than 3", ["2", "3"]),
    ("10 - 3", ["3", "10"]),
    ("90 + 80 and 5", ["170", "5"]),
    ("5 apples, or 2 more than 3", ["2", "3"]),
    ("70 km", ["70000"]),
    ("70km", ["70000"]),
    ("70 kg", ["70000"]),
    ("70kB", ["70000"]),
    ("1.5MB", ["1500000"]),
    ("1.5m", ["1500000"]),
    ("5 m", ["5000000"]),
    ("5 min", ["5000000"]),
    ("3 b", ["3000000000"]),
    ("10 K", ["10000"]),
    ("401(k)", ["401000"]),
    ("5 million", ["5"]),
    ("$70k", ["70"]),
    ("1 2 3", ["123", "1", "3"]),
    ("12 50", ["1250", "12", "50"]),
    ("12 5000", ["125000", "12", "5000"]),
    ("1234 567", ["1234567"]),
    ("12 500-ml bottles", ["12500"]),
    ("12 500 7", ["12500", "125007"]),
    ("5'10", ["510"]),
    ("12, 500", ["12500", "12", "500"]),
    ("12.500", ["12500"]),
    ("1,2", ["12", "1", "2"]),
    ("10–15", ["-15", "15", "10", "-5"]),
    ("3‑4", ["-4", "3", "4"]),
    ("not 5", ["5"]),
    ("neither 5 nor 6", ["5", "6"]),
    ("between 5 and 6", ["5", "6"]),
    ("more than 5", ["5"]),
    ("fewer than 5", ["5"]),
    ("less than 5", ["5"]),
]


@pytest.mark.parametrize(("said", "golds"), NOT_READ)
def test_numbers_that_are_not_read(said: str, golds: list[str]) -> None:
    for gold in golds:
        assert not is_correct(f"The answer is {said}.", gold), gold
        assert not is_correct(f"The answer is {said}.", gold, mode="strict"), gold


BEHIND = [
    ("The answer is:\n- 5", "5"),
    ("The answer is:\n- 5 apples", "5"),
    ("The answer is:\n  - 5", "5"),
    ("The answer is:\n\n* 5 apples", "5"),
    ("The answer is:\n• 5", "5"),
    ("The answer is:\n– 5 apples", "5"),
    ("The answer is:\n-5", "-5"),
    ("The answer is:\n- -5", "-5"),
    ("The answer is:\n−5", "-5"),
    ("The answer is - 5", "-5"),
    ("The answer is:\n```\n42\n```", "42"),
    ("The answer is:\n```text\n42\n```", "42"),
    ("The answer is:\n\n~~~\n42\n~~~", "42"),
    ("The answer is:\n\\[\n42\n\\]", "42"),
    ("The answer is:\n\\[ x = 42 \\]", "42"),
    ("The answer is \\[\n42\n\\]", "42"),
    ("The answer is:\n$$\n42\n$$", "42"),
    ("The answer is:\n\\begin{equation}\nx = 42\n\\end{equation}", "42"),
    ("The answer is:\n\\begin{align*}\nx &= 40 + 2 \\\\\n&= 42\n\\end{align*}", "42"),
    ("The answer is:\n> 42", "42"),
    ("The answer is:\n1. 42 apples", "42"),
    ("The answer is:\n---\n42", "42"),
    ("**Answer**\n42", "42"),
    ("### Final Answer\n\n42", "42"),
    ("Answer\n42 apples", "42"),
    ("<answer>42</answer>", "42"),
    ("<answer>\n42\n</answer>\nThat is 7 more than 35.", "42"),
    ("Ans: 42", "42"),
    ("Ans. = 42", "42"),
    ("The answer, therefore, is 42.", "42"),
    ("The answer comes out to 42.", "42"),
    ("Answer - 42", "42"),
    ("Answer – 42 apples", "42"),
    ("The answer has to be 42.", "42"),
    ("The answer => 42", "42"),
    ("#### Step 1\n5 + 37 = 42\n#### Final Answer\n42", "42"),
]


@pytest.mark.parametrize(("text", "answer"), BEHIND)
def test_what_follows_an_announcement(text: str, answer: str) -> None:
    assert is_correct(text, answer)
    assert is_correct(text, answer, mode="strict")
    assert not is_correct(text, "1")
    assert not is_correct(text, str(-int(answer)))


@pytest.mark.parametrize(
    "text",
    [
        "I wonder whether the answer is 5",
        "If the answer is 5, she has too many",
        "Suppose the answer is 5 apples",
        "Assume that the answer is 5",
        "Unless the answer is 5 we go on",
        "The answer isn't 5",
        "The answer cannot be 5",
        "The answers differ: some say 5, some 6",
        "She answered 5 calls",
        "#### Step 5",
        "An answer in 5 words",
    ],
)
def test_what_announces_nothing(text: str) -> None:
    assert not is_correct(text, "5", mode="strict")
