"""What stands in every ``kernels.py``, as a file of its own: it is read and copied, and imported by tests alone."""
