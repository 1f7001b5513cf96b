"""The parts of mailkit-setup that are about one thing each outside the home.

    certificate   a certificate to begin with, or links to one from elsewhere
    records       what the DNS is to say, ready to paste
    units         the account, the units and the sockets of systemd
"""
