"""Mails the owner of an account about its upgrade. Its Message-ID is the delivery's key: a mail that is sent again
because nobody heard that it was out is the same mail to whoever reads it.
"""

import smtplib
from email.message import EmailMessage
from email.utils import formatdate

from bff import CloudEvent, SyncContext


def handle(ctx: SyncContext, event: CloudEvent) -> None:
    key = ctx.request.headers["idempotency-key"]
    mail = EmailMessage()
    mail["From"], mail["To"] = "shop@example.com", event.subject
    mail["Subject"] = f"Welcome to {event.data['plan']}"
    mail["Message-ID"], mail["Date"] = f"<{key}@shop.example>", formatdate()
    mail.set_content(f"Your account has the plan {event.data['plan']} now.\n")
    with smtplib.SMTP(ctx.settings["SMTP_HOST"], int(ctx.settings["SMTP_PORT"]), timeout=20) as server:
        server.send_message(mail)
    ctx.publish("account.mailed", {"plan": event.data["plan"], "mail": key}, subject=event.subject)
