"""On-policy, offline: a student's own samples as texts, scored once by its teacher, round by round.

Lightning OPD (arXiv:2604.13010) scores a student's rollouts once, with the student's tokenizer and
one number a token. Here the teacher scores the text in its own tokens, with top k and tail, and the
align stage carries the rows over as it does those of its own texts.
"""
