"""Sign-in by OpenID Connect: authorization code with PKCE, over Authlib.

What Authlib leaves open is closed here: the issuer must be the configured one, the audience this
client, the signature asymmetric, and a token answer without an ID token signs nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import httpx2
from anyio.to_thread import run_sync
from authlib.integrations.starlette_client import OAuth, OAuthError
from fastapi import APIRouter, Request
from joserfc.errors import JoseError
from starlette.responses import RedirectResponse, Response

from workers.console.forms import own_origin
from workers.console.parts import ConsoleParts, parts_of
from workers.console.people import checked_name, known_roles
from workers.console.proxy import address_of
from workers.console.rates import Kind
from workers.console.signin import needs_way, own_path, refused, start_session
from workers.errors import ConfigurationRejected, Retryable
from workers.settings import ConsoleSettings

router = APIRouter()
SIGNATURES: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
LEEWAY_S: Final = 60
TIMEOUT_S: Final = 5.0
Result = TypeVar("Result")


class ProviderUnavailable(Retryable):
    """The identity provider does not answer."""


class Provider:
    """One identity provider, found by its issuer's address."""

    def __init__(self, settings: ConsoleSettings) -> None:
        assert settings.oidc_issuer
        assert settings.oidc_client_id
        self.issuer = settings.oidc_issuer
        self.client_id = settings.oidc_client_id
        secret = settings.oidc_client_secret
        self._app: Any = OAuth().register(
            "provider",
            client_id=self.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "timeout": TIMEOUT_S,
                "follow_redirects": False,
                # A public client has no secret; PKCE alone binds the code.
                **({} if secret else {"token_endpoint_auth_method": "none"}),
            },
        )

    async def redirect(self, request: Request, back: str) -> Response:
        """Sends the browser to the provider.

        Raises:
            ProviderUnavailable: It does not answer.
            ConfigurationRejected: It calls itself by another name.
        """
        await self._described()
        answer: Response = await self._app.authorize_redirect(request, back)
        return answer

    async def claims(self, request: Request) -> Mapping[str, Any]:
        """The claims of the ID token that the browser's return stands for.

        Raises:
            OAuthError: The provider refused, or the answer is not to our request.
            JoseError: The ID token is not good.
            ProviderUnavailable: It does not answer.
        """
        await self._described()
        if request.query_params.get("iss", self.issuer) != self.issuer:
            raise OAuthError("invalid_issuer", "the answer came from another provider")
        token = await self._asked(
            partial(
                self._app.authorize_access_token,
                request,
                claims_options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                },
                leeway=LEEWAY_S,
            )
        )
        found = token.get("userinfo")
        if not isinstance(found, Mapping):
            raise OAuthError("invalid_token", "the provider gave no ID token")
        return found

    async def _described(self) -> None:
        found = await self._asked(self._app.load_server_metadata)
        if found.get("issuer") != self.issuer:
            raise ConfigurationRejected(
                f"FLAGPOST_CONSOLE_OIDC_ISSUER: {self.issuer} calls itself {found.get('issuer')!r}"
            )
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        # A key that both sides know, or none at all, proves nothing.
        found["id_token_signing_alg_values_supported"] = [a for a in offered if a in SIGNATURES]

    async def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return await ask()
        except JoseError:
            raise
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderUnavailable(f"identity provider {self.issuer}: {error!r}") from error


@router.get("/signin/oidc")
async def to_provider(request: Request, next: str = "/") -> Response:
    """Not a form: `form-action 'self'` holds for where a form's answer leads, too."""
    parts = parts_of(request)
    needs_way(parts, "oidc")
    await run_sync(partial(parts.rates.count, Kind.SIGN_IN, address_of(request)))
    request.session["next"] = own_path(next)
    provider: Provider = request.app.state.provider
    return await provider.redirect(request, f"{own_origin(request)}/signin/oidc/return")


@router.get("/signin/oidc/return")
async def from_provider(request: Request) -> Response:
    """Where the provider sends the browser back; opens a session or says why not."""
    parts = parts_of(request)
    needs_way(parts, "oidc")
    provider: Provider = request.app.state.provider
    then = own_path(str(request.session.get("next", "/")))
    try:
        claims = await provider.claims(request)
    except (OAuthError, JoseError) as error:
        text = f"The sign-in was not accepted: {_shown(error)}. Try again."
        return await run_sync(partial(refused, request, parts, "oidc", text, str(error)))
    finally:
        request.session.clear()
    return await run_sync(partial(_started, request, parts, claims, then))


def _shown(error: OAuthError | JoseError) -> str:
    """What a page may say: the words of an error in an address may be anybody's."""
    if not isinstance(error, OAuthError):
        return str(error)
    return error.error if re.fullmatch(r"[a-z_]{1,40}", error.error or "") else "it failed"


def _started(
    request: Request, parts: ConsoleParts, claims: Mapping[str, Any], then: str
) -> Response:
    settings = parts.settings
    roles = known_roles(_claim(claims, settings.oidc_roles_claim), settings.oidc_role_prefix)
    try:
        name = _name(parts, claims)
    except ConfigurationRejected as error:
        return refused(request, parts, "oidc", f"The sign-in was not accepted: {error}.")
    if not roles:
        why = f"You ({name}) have no role in this console. Ask an admin for one, then try again."
        return refused(request, parts, "oidc", why)
    title = str(claims.get("name") or claims.get("preferred_username") or name)
    answer = start_session(request, parts, name, roles, title[:200], then)
    assert isinstance(answer, RedirectResponse)
    return answer


def _name(parts: ConsoleParts, claims: Mapping[str, Any]) -> str:
    """The reviewer's name: a claim, or a pseudonym that only this installation can work out."""
    claim = parts.settings.oidc_name_claim
    if claim:
        return checked_name(str(_claim(claims, claim) or ""))
    identity = f"person\0{claims['iss']}\0{claims['sub']}".encode()
    return "p-" + hmac.new(parts.secret, identity, hashlib.sha256).hexdigest()[:12]


def _claim(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or below one: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
