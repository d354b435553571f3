"""Errors that a user can act on: one clear line each, and an exit status."""

from __future__ import annotations


class UserError(Exception):
    """A fault that ends a program with one line and ``exit_code``."""

    exit_code = 1


class UsageError(UserError):
    """A flag, config field, task or metric that is not accepted."""

    exit_code = 2


class DataError(UserError):
    """A file that is damaged or not what its name says."""

    exit_code = 3
