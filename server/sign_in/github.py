"""GitHub, which speaks OAuth 2.0 only: who somebody is, and their verified primary address, from its API."""

from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from lethe.server.accounts.identities import ProvenIdentity
from lethe.server.settings import GITHUB, SignInProvider
from lethe.server.sign_in.claims import proven_identity
from lethe.server.sign_in.provider_calls import Exchange, ProviderDocuments, call, refused

SCOPE = "read:user user:email"


def authorization_url(_documents: ProviderDocuments, exchange: Exchange) -> str:
    """Return where the browser signs in."""
    address: str = prepare_grant_uri(
        f"{exchange.provider.issuer}/login/oauth/authorize",
        client_id=exchange.provider.client_id,
        response_type="code",
        redirect_uri=exchange.redirect_uri,
        scope=SCOPE,
        state=exchange.state,
        code_challenge=create_s256_code_challenge(exchange.verifier),
        code_challenge_method="S256",
    )
    return address


def redeem(_documents: ProviderDocuments, exchange: Exchange, code: str, _issuer: str) -> ProvenIdentity:
    """Return who signed in, for the code with which the browser came back; raises SignInRefused and ProviderAway."""
    provider = exchange.provider
    form = {
        "client_id": provider.client_id,
        "client_secret": provider.client_secret.get_secret_value(),
        "code": code,
        "redirect_uri": exchange.redirect_uri,
        "code_verifier": exchange.verifier,
    }
    _, token = call(provider, "POST", f"{provider.issuer}/login/oauth/access_token", data=form)
    access = token.get("access_token") if isinstance(token, dict) else None  # errors answer 200, too
    if not isinstance(access, str):
        raise refused(provider, "the code was not exchanged")
    person = _ask(provider, "/user", access)
    if not isinstance(person, dict) or not isinstance(person.get("id"), int):
        raise refused(provider, "the API does not say who signed in")
    claims = {"sub": str(person["id"]), "preferred_username": person.get("login")}
    listed = _ask(provider, "/user/emails", access)
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and one.get("primary") is True:
            claims |= {"email": one.get("email"), "email_verified": one.get("verified")}
    return proven_identity(provider.issuer, claims)


def _ask(provider: SignInProvider, path: str, access: str) -> Any:
    api = "https://api.github.com" if provider.issuer == GITHUB else f"{provider.issuer}/api/v3"
    status, found = call(provider, "GET", f"{api}{path}", headers={"Authorization": f"Bearer {access}"})
    return found if status == httpx.codes.OK else None
