"""A recipe's teacher, ready to answer: served, in the user's own file, or loaded here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.config.teacher import Teacher as Settings
from specialize.config.trust import check_remote_code
from specialize.config.user_files import is_own_file, load_file
from specialize.io.garbage import importing
from specialize.io.progress import waiting

if TYPE_CHECKING:  # it needs the kernels, which commands that ask no teacher start without
    from specialize.teacher.protocol import Teacher


def open_teacher(settings: Settings, store: Path | None) -> AbstractContextManager[Teacher]:
    """The teacher of ``settings``.

    Args:
        settings: model or server, with its type, device and limits.
        store: raw answers of a server are kept beside it; None: nowhere.

    Raises:
        TeacherError: it cannot be had, or a server cannot give what is asked for.
    """
    if settings.server is not None:
        from specialize.store.layout import JOURNAL
        from specialize.teacher.served import connect

        return connect(settings, journal=store / JOURNAL if store is not None else None)
    model = settings.model or ""
    if is_own_file(model):
        return nullcontext(load_file(model, "open_teacher").open_teacher(settings))
    if settings.trust_remote_code:
        check_remote_code(model, settings.revision)
    with waiting(f"loading the teacher {model}"):
        with importing():
            from specialize.teacher.local.teacher import load_teacher

        local = load_teacher(
            model,
            revision=settings.revision,
            dtype=settings.dtype,
            device=settings.device,
            trust_remote_code=settings.trust_remote_code,
        )
    return nullcontext(local)
