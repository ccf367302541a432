"""The engines: each looks at one side of an observation and says what it found, and what it could not look at.

They are plain functions without clock, network or database, the model apart. What they return names kinds of the vocabulary in
``app/scans/indicator.py`` and nothing of the page.
"""
