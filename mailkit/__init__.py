"""mailkit: a Maildir-native mail system made of small Unix programs.

The layers and who may import whom are drawn in mailkit(7); tests/test_layers.py holds them.
"""

VERSION = "0.1"
