"""The bundled tiny teacher and student, and their world."""
