"""The tooling: it builds OpenSSL and the extension, runs the cells, and reports their results.

Each nox session runs `python -m ci VERB`. The data flows one way:

    matrix.toml -> manifest -> matrix.plan (cells) -> openssl.prefixes -> wheels
    -> matrix.prepare -> matrix.runner -> matrix.results -> report

Modules import in the opposite direction only (the contracts in pyproject.toml). Nothing is imported
here, because setup.py imports `ci.extension` on Pythons that are too old for the rest.
"""
