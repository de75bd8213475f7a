"""Endpoints of a Kubernetes Service by the cluster's own DNS: no API access, no token, no client library.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service: a headless Service's name has one address for
each ready pod, any other's has the one of its virtual IP; a named port has SRV records.
"""

from __future__ import annotations

from pathlib import Path

from bff.services.discovery.names import Addresses, Names, Services, split_port
from bff.services.resolver import Question

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod reads which namespace it is in."""


def resolver(question: Question) -> Addresses | Services:
    """``type: kubernetes``; ``name`` is ``designs``, ``designs.shop``, ``designs.shop:8080`` or, with the name of
    a port, ``designs.shop:http``.
    """
    name, port = split_port(question.name)
    whole = full_name(name, domain=question.option("cluster_domain", "cluster.local"), here=own_namespace())
    names = Names(question.server)
    if port and not port.isdigit():
        return Services(names, f"_{port}._tcp.{whole}")
    return Addresses(names, whole, int(port) if port else question.port)


def full_name(name: str, *, domain: str, here: str) -> str:
    """The whole name, its last dot included so that no search list is gone through."""
    service, _, namespace = name.partition(".")
    return f"{service}.{namespace or here}.svc.{domain}."


def own_namespace() -> str:
    """The namespace this pod is in; ``default`` outside of a cluster."""
    try:
        return NAMESPACE_FILE.read_text("ascii").strip() or "default"
    except OSError:
        return "default"
