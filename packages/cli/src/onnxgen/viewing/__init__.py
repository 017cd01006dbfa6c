"""A model as one page: its graph and its modules on one side, the generated source on the other, linked both ways.

``source`` colours the code and finds where it builds and calls its modules, ``boxes`` sorts the nodes into modules,
``data`` gathers what the page tells, ``page`` writes it with the scripts and styles of ``assets``.
"""
