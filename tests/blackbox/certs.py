# SPDX-License-Identifier: Apache-2.0
"""Certificates for one run of the tests, made by tools/certs."""

import pathlib
import subprocess

import programs


class Certs:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def cert(self, name):
        return str(self.folder / f"{name}.pem")

    def key(self, name):
        return str(self.folder / f"{name}.key")

    @property
    def ca(self):
        return self.cert("ca")

    def add(self, *arguments):
        subprocess.run([programs.ROOT / "tools" / "certs", "--out", self.folder, *arguments],
                       check=True, capture_output=True)


def make(folder):
    certs = Certs(folder)
    certs.add("edge", "DNS:localhost", "DNS:edge.test", "IP:127.0.0.1")
    certs.add("edge-two", "DNS:localhost", "DNS:edge.test", "IP:127.0.0.1")
    certs.add("edge-client", "URI:spiffe://mesh.test/ns/edge/sa/gateway")
    certs.add("sidecar", "URI:spiffe://mesh.test/ns/shop/sa/catalog", "DNS:catalog.shop")
    certs.add("many-names", "DNS:a.test", "email:a@x.test", "email:b@x.test", "IP:2001:db8::1", "IP:192.0.2.1",
              "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@x.test", "otherName:1.2.3;INTEGER:-77",
              "otherName:1.2.4;BOOLEAN:TRUE", "otherName:1.2.5;OID:1.2.840.5",
              "otherName:1.2.6;BMP:wide", "otherName:1.2.7;UTCTIME:261129120000Z")
    certs.add("stranger", "URI:spiffe://mesh.test/ns/shop/sa/stranger")
    certs.add("xds", "DNS:localhost", "DNS:xds.test", "IP:127.0.0.1")
    return certs
