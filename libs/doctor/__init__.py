"""Checks of one service's configuration and of what it needs, from the machine it runs on.

Each service has a `doctor.py`, run as `python -m services.<name>.doctor`; `docuquery admin doctor` runs all
four.
"""
