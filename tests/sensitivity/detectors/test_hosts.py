"""Machines inside: names, addresses, hosts without a dot."""

import pytest
import re2

from gateway.sensitivity.detectors.hosts import ROWS
from gateway.sensitivity.sight import Sight

FOUND = [
    ("name", "see https://wiki.corp/page", "wiki.corp"),
    ("name", "ssh bob@build-7.lan", "build-7.lan"),
    ("name", "db.shop.svc.cluster.local:5432", "db.shop.svc.cluster.local"),
    ("name", "the server vault.internal is down", "vault.internal"),
    ("name", "ip-10-0-0-7.ec2.internal", "ip-10-0-0-7.ec2.internal"),
    ("name", "ping nas.home.arpa", "nas.home.arpa"),
    ("name", "Printer07.intranet", "Printer07.intranet"),
    ("private_address", "http://10.1.188.121/login", "10.1.188.121"),
    ("private_address", "the host is 192.168.0.30", "192.168.0.30"),
    ("private_address", "172.16.4.9:8080", "172.16.4.9"),
    ("private_address", "10.0.0.0/8", "10.0.0.0"),
    ("single_label", "http://jenkins:8080/job", "jenkins"),
    ("single_label", "postgresql://app@db01/shop", "db01"),
    ("single_label", "ldap://dc1", "dc1"),
]

PASSED = [
    ("name", "self.local = threading.local()"),
    ("name", "config.internal = True"),
    ("name", "the local shop. Internal use only."),
    ("name", "www.example.com"),
    ("private_address", "version 10.2.3.4 of the program"),
    ("private_address", "the server 10.300.1.1"),
    ("private_address", "the server 8.8.8.8"),
    ("private_address", "172.32.0.1:80"),
    ("single_label", "http://localhost:8080/"),
    ("single_label", "https://www.example.com/"),
    ("single_label", "http://example/"),
    ("single_label", "s3://bucket/key"),
]


def places(row, text):
    (detector,) = (each for each in ROWS if each.id == f"host.{row}")
    found = [text[hit.start : hit.end] for hit in detector.find(Sight(text))]
    assert re2.search(detector.trigger, text) or not found
    return found


@pytest.mark.parametrize(("row", "text", "host"), FOUND)
def test_found(row, text, host):
    assert places(row, text) == [host]


@pytest.mark.parametrize(("row", "text"), PASSED)
def test_passed_over(row, text):
    assert places(row, text) == []


def test_every_row_has_its_cases():
    assert {f"host.{row}" for row, *_ in FOUND} == {f"host.{row}" for row, _ in PASSED} == {row.id for row in ROWS}
