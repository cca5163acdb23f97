"""The conformance kit: checks any JT/T 808 platform or terminal from outside, by scenarios that are data.

    kit       where the data of the kit is, in a source checkout and installed
    scenario  what a scenario is, and how its file is read
    words     values in a scenario: labels, variables, bodies, conditions
    frames    frames to send, also wrong ones
    link      a connection with its inbox
    play      the steps that both kinds of scenarios have
    server    scenarios against a platform: we are its terminals
    terminal  scenarios against a terminal: we are its platform
    report    results and score; render, page: as text, as HTML
    vectors   bytes with what a codec has to make of them, and the check; program: a codec in any language
    generate  makes the vectors from the declarations

It imports nothing of ours but the codecs, so that it can test any implementation.
"""
