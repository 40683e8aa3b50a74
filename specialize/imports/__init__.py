"""Existing teacher dumps -> stores, with counted drops and their reasons.

``codex`` reads the published samples of code-davinci-002 with top-5 probabilities.
``distillkit`` reads DistillKit's parquet, ``vllm_json`` the JSON lines of vLLM, OpenAI clients and
axolotl; both hold every record against the proof of a served teacher's answer.
"""
