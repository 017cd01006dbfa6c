"""Holding a generated model against the ONNX file that it was made of.

``samples`` makes inputs; ``engines`` runs the file, whole and, by ``segments``, piece by piece; ``source`` converts the
file again; ``instrument`` and ``watch`` run the generated source and keep what it computes on the way; ``compare``
holds two values against each other; ``verify`` does all of it in order. ``text`` and ``page`` say what came out.

torch and what runs ONNX files are imported by those modules alone that cannot do without, when they are needed.
"""
