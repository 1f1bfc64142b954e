"""Use cases over ports: validate, plan, import, resume."""
