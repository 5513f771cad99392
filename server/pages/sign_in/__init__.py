"""Signing in with an account elsewhere, and creating or linking the account here."""
