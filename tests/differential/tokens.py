# SPDX-License-Identifier: Apache-2.0
"""Keys, key sets and tokens that cases name; all are made in this run."""

import base64
import functools
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
NOW = int(time.time())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


@functools.cache
def private_key(alg, name):
    """One key for each algorithm family and name in a run: making RSA keys takes its time."""
    if alg.startswith("ES"):
        return ec.generate_private_key(CURVES[alg]())
    return rsa.generate_private_key(65537, 2048)


def key_of(spec, name):
    alg = spec.get("alg", "RS256")
    return private_key(alg if alg.startswith("ES") else "RSA", name)


def public_jwk(spec, name):
    """The key as a JWKS shows it; `jwk` of the spec is laid over, None removes."""
    numbers = key_of(spec, name).public_key().public_numbers()
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        length = (numbers.curve.key_size + 7) // 8
        jwk = {"kty": "EC", "crv": f"P-{numbers.curve.key_size}",
               "x": number(numbers.x, length), "y": number(numbers.y, length)}
    else:
        jwk = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    jwk.update({"alg": spec.get("alg", "RS256"), "kid": spec.get("kid", name)})
    jwk.update(spec.get("jwk", {}))
    return {key: value for key, value in jwk.items() if value is not None}


def sign(key, alg, data):
    digest = HASHES[alg[2:]]()
    if alg.startswith("ES"):
        length = (key.curve.key_size + 7) // 8
        pair = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return b"".join(value.to_bytes(length, "big") for value in pair)
    if alg.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def token(spec, keys):
    """A compact token; times are seconds from now, None leaves a claim or header field out."""
    name = spec.get("key", next(iter(keys)))
    key_spec = keys[name]
    alg = spec.get("alg", key_spec.get("alg", "RS256"))
    header = {"alg": alg, "kid": key_spec.get("kid", name), "typ": "JWT", **spec.get("header", {})}
    claims = {"iss": spec.get("iss", "issuer.test"), "sub": "user", **spec.get("claims", {})}
    if "aud" in spec:
        claims["aud"] = spec["aud"]
    for when in ("exp", "nbf", "iat"):
        if spec.get(when, 3600 if when == "exp" else None) is not None:
            claims[when] = NOW + int(spec.get(when, 3600))
    parts = [json.dumps({key: value for key, value in part.items() if value is not None},
                        separators=(",", ":")).encode() for part in (header, claims)]
    text = ".".join(base64url(part) for part in parts)
    signature = sign(key_of(key_spec, name), alg, text.encode()) if alg != "none" else b""
    if spec.get("tampered"):
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return f"{text}.{base64url(signature)}"


def variables(data):
    """What a case's `keys`, `jwks` and `tokens` are called in its texts."""
    keys = data.get("keys", {})
    found = {}
    for name, members in {"all": list(keys), **data.get("jwks", {})}.items():
        found[f"jwks:{name}"] = json.dumps(
            {"keys": [public_jwk(keys[member], member) for member in members]})
    for name, spec in data.get("tokens", {}).items():
        found[f"jwt:{name}"] = token(spec or {}, keys)
    return found
