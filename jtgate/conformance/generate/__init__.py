"""Makes the vectors of `conformance/vectors/` from the declarations: `python -m jtgate.conformance.generate`.

    chosen    values chosen by hand, plausible ones, by field
    values    values of a kind in a style: typical, minimum, maximum, escaped
    samples   structures in a style, as far as they can be told from the bytes
    messages  vectors of one message; items: of additional items and parameters
    headers, streams, parts
              vectors of headers, of framing, of sub-packages; these are written out case by case

Everything here is a function of the declarations: no clock, no randomness. `conformance/vectors/worked` is written
by hand and not touched.
"""
