"""What alignment and formats made of a text, for people: in the terminal or as a page.

``aligned`` puts a teacher's response beside the student's targets, ``rows`` shows the very rows
that the loss sees; ``terminal`` and ``page`` draw both, ``showing`` reads what they need.
"""
