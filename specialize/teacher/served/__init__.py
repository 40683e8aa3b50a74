"""Teachers that answer over HTTP: vLLM, SGLang, llama.cpp, and what speaks OpenAI's protocol.

    teacher = connect(settings, journal=Path("run/responses/qwen/journal.jsonl"))

``dialects`` has the requests and answers of each server, ``transport`` the addresses, limits and
retries, ``journal`` every raw answer, ``proof`` what a row must be before it is believed, ``probe``
what a server is made to show before anything is paid for, ``teacher`` all of it as one teacher.
"""

from specialize.teacher.served.teacher import ServedTeacher, connect

__all__ = ["ServedTeacher", "connect"]
