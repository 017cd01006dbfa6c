"""Functions whose source is copied into generated models, those of them that a model uses.

They stand on the standard library, torch and, where a function's file says so, numpy or msgpack; nothing here imports
the rest of this package.
"""
