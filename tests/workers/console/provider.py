"""An OpenID Connect provider on loopback: real HTTP, real signatures, and lies on request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, HTTPException
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, RedirectResponse

from tests.servers import wait_until
from workers.brokers import free_port

CLIENT = "flagpost-console"


@dataclass
class Lies:
    """What the provider gets wrong, field by field; nothing at first."""

    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey | None = None
    algorithm: str = "RS256"
    state: str | None = None
    drops_id_token: bool = False
    error: str | None = None
    issuer: str | None = None


class IdentityProvider:
    """Signs in whoever asks as `person`; checks redirect address, code and PKCE as one should."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
        self.person: dict[str, Any] = {"sub": "u-1", "name": "Ana A.", "roles": ["reviewer"]}
        self.lies = Lies()
        self._codes: dict[str, dict[str, str]] = {}
        self.app = self._application()

    def turn_key(self) -> None:
        """Signs with another key from now on, as providers do."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}, private=True)

    def _application(self) -> FastAPI:
        app = FastAPI()
        app.get("/.well-known/openid-configuration")(self._configuration)
        app.get("/keys")(lambda: {"keys": [self.key.as_dict(private=False)]})
        app.get("/authorize")(self._authorize)
        app.post("/token")(self._token)
        return app

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.lies.issuer or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    def _authorize(
        self,
        client_id: str,
        redirect_uri: str,
        state: str,
        nonce: str,
        code_challenge: str,
        code_challenge_method: str,
    ) -> RedirectResponse:
        assert client_id == CLIENT
        assert code_challenge_method == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = {"nonce": nonce, "challenge": code_challenge, "back": redirect_uri}
        answer = {"code": code, "state": self.lies.state or state}
        if self.lies.error:
            answer = {"error": self.lies.error, "state": state}
        return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 302)

    def _token(
        self,
        code: str = Form(),
        redirect_uri: str = Form(),
        code_verifier: str = Form(),
    ) -> JSONResponse:
        asked = self._codes.pop(code, None)
        digest = hashlib.sha256(code_verifier.encode()).digest()
        challenge = _encoded(digest)
        if asked is None or asked["back"] != redirect_uri or asked["challenge"] != challenge:
            raise HTTPException(400, "invalid_grant")
        answer = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60}
        if not self.lies.drops_id_token:
            answer["id_token"] = self._id_token(asked["nonce"])
        return JSONResponse(answer)

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
            **self.person,
            **self.lies.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.lies.algorithm, "kid": self.key.kid}
        if self.lies.algorithm != "RS256":
            return self._forged(header, claims)
        return jwt.encode(header, claims, self.lies.key or self.key)

    def _forged(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """A token as an attacker makes it, whom no library stops: no signature, or the public
        key used as a shared secret.
        """
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        if header["alg"] == "none":
            return f"{signed}."
        public = self.key.as_pem(private=False)
        return f"{signed}.{_encoded(hmac.digest(public, signed.encode(), 'sha256'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def served(app: Any, port: int) -> Iterator[None]:
    """Serves an application on loopback with uvicorn, on a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    port = free_port()
    provider = IdentityProvider(f"http://127.0.0.1:{port}")
    with served(provider.app, port):
        yield provider
