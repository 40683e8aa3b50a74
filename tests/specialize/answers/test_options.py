r"""Multiple choice: which option a response names, and when it names none."""

from __future__ import annotations

import re

import pytest

from specialize.answers import Kind, find_answer, is_correct

LETTERS = "ABCDE"

# a response without known texts, and the letter it names in both modes
ANNOUNCED = [
    ("Answer: B", "B"),
    ("Answer: (B)", "B"),
    ("Answer: b", "B"),
    ("Answer: B.", "B"),
    ("Answer: B) red", "B"),
    ("Answer: B: red", "B"),
    ("Answer:B", "B"),
    ("ANSWER: B", "B"),
    ("**Answer: B**", "B"),
    ("**Answer:** B", "B"),
    ("**Answer**: **B**", "B"),
    ("Answer - B", "B"),
    ("Answer – (B)", "B"),
    ("Answer is B", "B"),
    ("Answer => B", "B"),
    ("Ans: B", "B"),
    ("Ans. (B)", "B"),
    ("### Answer\nB", "B"),
    ("Answer:\n\nB. red", "B"),
    ("Answer:\n- B", "B"),
    ("Answer: [B]", "B"),
    ("Answer: option B", "B"),
    ("Answer: Option (B)", "B"),
    ("Answer: choice B, red", "B"),
    ("Answer: “B”", "B"),
    ("Answer: `B`", "B"),
    ("<answer>B</answer>", "B"),
    ("<answer>(B) red</answer>", "B"),
    (r"\boxed{B}", "B"),
    (r"\boxed{\text{B}}", "B"),
    (r"\boxed{\text{(B) red}}", "B"),
    (r"\boxed{\mathbf{(B)}}", "B"),
    ("#### B", "B"),
    ("Answer: （Ｂ）", "B"),
    ("The correct option is B.", "B"),
    ("The best choice is (B).", "B"),
    ("The correct answer is option B because it is red.", "B"),
    ("The answer is most likely E.", "E"),
    ("The answer is most likely E, since it is red.", "E"),
    ("The answer is probably (E).", "E"),
    ("The answer is clearly E", "E"),
    ("The answer is likely to be E.", "E"),
    ("The answer must be E: exhaustion", "E"),
    ("The answer is D--exhaustion.", "D"),
    ("The answer is D -- exhaustion.", "D"),
    ("The answer is D - exhaustion.", "D"),
    ("The answer is D – exhaustion.", "D"),
    ("The answer is D—exhaustion.", "D"),
    ("The answer is D)exhaustion.", "D"),
    ("The answer is D: exhaustion.", "D"),
    ("The answer is D:exhaustion.", "D"),
    ("The answer is **D**, exhaustion.", "D"),
    ("The answer is (D)--exhaustion.", "D"),
    ("The answer is A--red.", "A"),
    ("The answer is A: Karl", "A"),
    ("The answer is\nA: Karl", "A"),
    ("Answer:\nA: Karl", "A"),
    ("The answer is not (A) but (B).", "B"),
    ("The answer is not A, but B.", "B"),
    ("The answer is (B), not (A).", "B"),
    ("The answer is B, not A.", "B"),
    ("The answer is (B) rather than (A).", "B"),
    ("The answer is (B) because (A) is not red.", "B"),
    ("The answer is (B), since (A) and (C) are wrong.", "B"),
    ("The answer is B. A is too short.", "B"),
    ("The answer is neither (A) nor (C), so it is (B).", "B"),
    ("The answer is not (A). The answer is (B).", "B"),
    ("The answer is (B) (B).", "B"),
    ("The answer is B or, in words, red.", "B"),
    ("The answer is (D), i.e. A-frame houses.", "D"),
    ("The answer is (E) should not.", "E"),
    ("The answer is (C) fails to grow", "C"),
    ("The answer is (B) cannot be undone.", "B"),
    ("The answer is (A) H2O(l) -> H2O(g) + O(b)", "A"),
    ("It is not clear whether the answer is (A).\nSo the answer is (B).", "B"),
]


@pytest.mark.parametrize(("text", "letter"), ANNOUNCED)
def test_the_letter_that_is_announced(text: str, letter: str) -> None:
    for mode in ("strict", "flexible"):
        named = [x for x in LETTERS if is_correct(text, f"({x})", kind="choice", mode=mode)]
        assert named == [letter], (mode, find_answer(text, kind="choice"))
    assert [x for x in LETTERS if is_correct(text, f"({x})", kind="bbh")] == [letter]


# responses that announce nothing
CONCLUDED = [
    ("(C) can not be, since iron sinks. What floats is (A).", "A"),
    ("(C) cannot float. (B) is made of lead. That leaves (A).", "A"),
    ("(C) is wrong because iron sinks.\nSo it is (A).", "A"),
    ("It isn't (C), and it isn't (B). It must be (A).", "A"),
    ("We can rule out (B) and (C). (A) floats.", "A"),
    ("(B) is eliminated. (C) is eliminated. Only (A) is left.", "A"),
    ("Eliminate (B) and (C), which leaves (A).", "A"),
    ("I would choose (A), not (B).", "A"),
    ("(A) is correct. (B) is incorrect.", "A"),
    ("(A) is the best answer, (B) is second.", "A"),
    ("Comparing (A) with (B), (B) is the better one.", "B"),
    ("It's most likely E", "E"),
    ("Most likely E.", "E"),
    ("D--exhaustion", "D"),
    ("D -- exhaustion", "D"),
    ("D: exhaustion", "D"),
    ("A: Karl", "A"),
    ("B: Karl", "B"),
    ("A: Karl.", "A"),
    ("(A): Karl", "A"),
    ("A", "A"),
    ("a", "A"),
    ("(a)", "A"),
    ("B\n", "B"),
    ("Option B", "B"),
    ("B is correct.", "B"),
    ("Option B is the right one.", "B"),
    ("I think that it is (B).", "B"),
    ("First I thought (A).\nBut now I choose (B).", "B"),
    ("(B) red", "B"),
    ("A is wrong. B is wrong. So C.", "C"),
    ("All but (B) are wrong.", "B"),
    ("Every option except (B) is out.", "B"),
    ("**B. red**", "B"),
    ("(C) fails to grow", "C"),
    ("(E) should not", "E"),
]


@pytest.mark.parametrize(("text", "letter"), CONCLUDED)
def test_the_letter_that_is_concluded(text: str, letter: str) -> None:
    named = [x for x in LETTERS if is_correct(text, f"({x})", kind="choice")]
    assert named == [letter], find_answer(text, kind="choice")


NONE = [
    "(A) or (B)",
    "The answer is (A) or (B).",
    "The answer is A or B.",
    "The answer is (A) and (B).",
    "The answer is A and B",
    "The answer is both (A) and (B).",
    "The answer is either (A) or (B).",
    "The answer is A/B.",
    "The answer is (A)/(B)",
    "The answer is A, B",
    "The answer is (A), (B), or (C).",
    "The answer is (A) red or (B) blue.",
    "The answer is A: red or B: blue",
    "The answer is (A) & (B)",
    "The answer is (A) as well as (B).",
    "The answer is (A) or possibly (B).",
    "The answer could be (A), or maybe it is (B).",
    "Answer: A, C and D",
    "Answer:\n- (A)\n- (B)",
    "(A), (B) and (C) are all wrong.",
    "The answer is not (A).",
    "The answer is neither (A) nor (B).",
    "It cannot be (A).",
    "It isn't (B).",
    "(A) is wrong.",
    "(B) is ruled out.",
    "Not (A)!",
    "None of (A), (B) and (C).",
    "The answer is none of these.",
    "The answer is unclear.",
    "The answer is I think unknown",
    "The answer is a red one.",
    "The answer is A red one.",
    "The answer is an X-ray.",
    "The answer is D-Day.",
    "The answer is vitamin C.",
    "The answer is plan B.",
    "The answer is a T-shirt",
    "The answer is hepatitis B virus",
    "Either A or B",
    "Either (A) or (B) is right.",
    "The answer is A or (B).",
    "The answer is (A); (B)",
    "The answer is A; B",
    "All but (B) are right.",
    "<think>The answer is (A).",
]


@pytest.mark.parametrize("text", NONE)
def test_no_single_option_is_named(text: str) -> None:
    for mode in ("strict", "flexible"):
        for letter in LETTERS:
            assert not is_correct(text, f"({letter})", kind="choice", mode=mode), (letter, mode)


TEXTS = ("Anna", "Karl", "red paper", "D-Day", "A and B")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Karl", "B"),
        ("The answer is Karl.", "B"),
        ("A: Karl", "B"),  # "A:" announces, and the text names B
        ("A: Anna", "A"),
        ("B: Karl", "B"),
        ("The answer is Karl, who sits left.", "B"),
        ("The answer is D-Day.", "D"),
        ("The answer is D-D-Day", "D"),
        ("The answer is A and B", "E"),
        ("The answer is (E) A and B", "E"),
        ("The answer is C-red paper", "C"),
        ("The answer is C, the red paper", "C"),
        ("A: (C)", "C"),
        ("A: The answer is (C).", "C"),
    ],
)
def test_texts_that_are_known_decide(text: str, letter: str) -> None:
    named = [x for x in LETTERS if is_correct(text, f"({x})", kind="choice", choices=TEXTS)]
    assert named == [letter], find_answer(text, kind="choice")


def test_hedging_between_texts_is_no_answer() -> None:
    for text in ("The answer is Anna or Karl.", "The answer is Anna, or Karl", "Anna / Karl"):
        for gold in ("Anna", "Karl", "(A)", "(B)"):
            assert not is_correct(text, gold, kind="choice", choices=TEXTS), (text, gold)


YES_NO = [
    ("It isn't yes.", False),
    ("The answer isn't yes", False),
    ("isn't yes", False),
    ("The answer is not yes.", False),
    ("It wasn't true.", False),
    ("That can't be true.", False),
    ("That cannot be true.", False),
    ("It is never true.", False),
    ("It is not really true.", False),
    ("It is hardly true.", False),
    ("It isn’t true", False),
    ("That is untrue.", False),
    ("The answer isn't no.", True),
    ("It isn't false.", True),
    ("It is not at all false", True),
    ("Yes, it isn't difficult.", True),
    ("The answer is yes.", True),
    ("The answer is yes, not no.", True),
    ("The answer is no, not yes.", False),
    ("The answer is not no but yes", True),
    ("True or false? True.", True),
    ("Yes or no: no", False),
    ("The answer is yes or no.", None),
    ("The answer is yes/no", None),
    ("The answer is both yes and no.", None),
    ("The answer is unknown.", None),
    ("The answer is noble", None),
    ("The answer is yesterday", None),
]


@pytest.mark.parametrize(("text", "truth"), YES_NO)
def test_yes_and_no(text: str, truth: bool | None) -> None:
    says_yes_or_no = re.search(r"(?i)\b(yes|no)\b", text)  # a target of BIG-Bench Hard
    kinds: tuple[Kind, ...] = ("boolean", "bbh") if says_yes_or_no else ("boolean",)
    for kind in kinds:
        assert is_correct(text, "Yes", kind=kind) == (truth is True), kind
        assert is_correct(text, "No", kind=kind) == (truth is False), kind


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("The argument is not valid.", False),
        ("The argument isn't valid.", False),
        ("The argument is not deductively valid.", False),
        ("It is not a valid argument.", False),
        ("It is deductively valid.", True),
        ("It isn't invalid.", True),
        ("So the answer is invalid.", False),
        ("So the answer is valid or invalid.", None),
    ],
)
def test_valid_and_invalid(text: str, valid: bool | None) -> None:
    assert is_correct(text, "valid", kind="bbh") == (valid is True)
    assert is_correct(text, "invalid", kind="bbh") == (valid is False)
