"""What must hold when things go wrong, tried in full: each part is a module with `run(scale) -> list[Figure]`.

Rule: real processes, real files, loopback only; every part ends by itself. The quick forms are in `tests/`.
"""
