"""An SMTP server that keeps what it gets: one JSON object a line on stdout, first {"port": ...}.

Usage: smtp_server.py none|starttls|tls [--cert FILE --key FILE] [--user USER --password PASSWORD] [--answer CODE ...]
"""

import argparse
import email
import email.policy
import json
import logging
import socket
import ssl
import sys
import threading
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


# What it thinks of passwords in clear and of clients that go is known.
warnings.simplefilter("ignore")
logging.getLogger("mail").setLevel(logging.CRITICAL + 1)


def say(thing):
    print(json.dumps(thing), flush=True)


class Keeper:
    def __init__(self, answers):
        self.answers = list(answers)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": session.authenticated,
            "headers": {name.lower(): str(value) for name, value in letter.items()},
            "text": letter.get_body(("plain",)).get_content(),
            "html": letter.get_body(("html",)).get_content(),
        })
        return self.answers.pop(0) if self.answers else "250 OK"


arguments = argparse.ArgumentParser()
arguments.add_argument("tls", choices=["none", "starttls", "tls"])
arguments.add_argument("--cert")
arguments.add_argument("--key")
arguments.add_argument("--user")
arguments.add_argument("--password")
arguments.add_argument("--answer", action="append", default=[])
given = arguments.parse_args()

context = None
if given.tls != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.cert, given.key)


def authenticate(server, session, envelope, mechanism, data):
    login = getattr(data, "login", b"").decode()
    password = getattr(data, "password", b"").decode()
    say({"login": login})
    return AuthResult(success=(login, password) == (given.user, given.password), handled=False)


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

controller = Controller(
    Keeper(given.answer),
    hostname="127.0.0.1",
    port=port,
    ssl_context=context if given.tls == "tls" else None,
    tls_context=context if given.tls == "starttls" else None,
    require_starttls=given.tls == "starttls",
    authenticator=authenticate if given.user else None,
    auth_required=given.user is not None,
    auth_require_tls=given.tls == "starttls",
    server_hostname="localhost",
)
controller.start()
say({"port": port})
# Ends with the test that started it.
threading.Thread(target=sys.stdin.read).run()
controller.stop()
