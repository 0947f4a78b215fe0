"""The machine around the binding: it builds OpenSSL and the extension, runs the cells, reports.

Given `matrix.toml`, it gives prefixes, wheels, results and the page. `noxfile.py` is its front
door; `python -m ci VERB` is what each session calls. Nothing is imported here: setup.py needs
`ci.extension` on Pythons that are too old for the rest.
"""
