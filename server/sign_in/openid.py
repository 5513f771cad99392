"""OpenID Connect: discovery, the code flow with PKCE, and what an ID token has to prove (Core 1.0, section 3.1.3.7)."""

from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from lethe.server.accounts.identities import ProvenIdentity
from lethe.server.settings import SignInProvider
from lethe.server.sign_in.claims import SUBJECT_CHARS, proven_identity
from lethe.server.sign_in.provider_calls import Exchange, ProviderDocuments, away, call, refused

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a key that only the provider has."""
LEEWAY_S = 60
WELL_KNOWN = "/.well-known/openid-configuration"


def authorization_url(documents: ProviderDocuments, exchange: Exchange) -> str:
    """Return where the browser signs in; raises ProviderAway."""
    found = _metadata(documents, exchange.provider)
    address: str = prepare_grant_uri(
        found["authorization_endpoint"],
        client_id=exchange.provider.client_id,
        response_type="code",
        redirect_uri=exchange.redirect_uri,
        scope=exchange.provider.scope,
        state=exchange.state,
        nonce=exchange.nonce,
        code_challenge=create_s256_code_challenge(exchange.verifier),
        code_challenge_method="S256",
    )
    return address


def redeem(documents: ProviderDocuments, exchange: Exchange, code: str, issuer: str) -> ProvenIdentity:
    """Return who signed in, for the code with which the browser came back.

    `issuer` is who the browser says has answered (RFC 9207), or empty. Raises SignInRefused and ProviderAway.
    """
    provider = exchange.provider
    metadata = _metadata(documents, provider)
    is_told = metadata.get("authorization_response_iss_parameter_supported") is True
    if (issuer or is_told) and issuer != provider.issuer:
        raise refused(provider, "another issuer has answered")
    token = _exchange_code(metadata, exchange, code)
    claims = _verified_claims(documents, metadata, exchange, token)
    if not claims["sub"].isprintable() or len(claims["sub"]) > SUBJECT_CHARS:
        raise refused(provider, "a subject that cannot be stored")
    endpoint = metadata.get("userinfo_endpoint")
    if "email" not in claims and endpoint is not None:
        more = _user_info(provider, endpoint, token)
        if more.get("sub", claims["sub"]) == claims["sub"]:
            claims = more | claims
    return proven_identity(provider.issuer, claims)


def _metadata(documents: ProviderDocuments, provider: SignInProvider) -> dict[str, Any]:
    found = documents.get(provider, provider.issuer.removesuffix("/") + WELL_KNOWN)
    if found.get("issuer") != provider.issuer:
        raise away(provider, f"its issuer is {found.get('issuer')!r}, not that of LETHE_SIGN_IN")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(found.get(name), str):
            raise away(provider, f"its document has no {name}")
    return found


def _exchange_code(metadata: dict[str, Any], exchange: Exchange, code: str) -> dict[str, Any]:
    provider = exchange.provider
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": exchange.redirect_uri,
        "code_verifier": exchange.verifier,
    }
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    secret = provider.client_secret.get_secret_value()
    if "client_secret_post" in methods:
        more: dict[str, Any] = {"data": form | {"client_id": provider.client_id, "client_secret": secret}}
    else:
        more = {"data": form, "auth": (provider.client_id, secret)}
    status, token = call(provider, "POST", metadata["token_endpoint"], **more)
    if status != httpx.codes.OK or not isinstance(token, dict):
        raise refused(provider, f"the code was not exchanged: {token.get('error') if isinstance(token, dict) else ''}")
    if not isinstance(token.get("id_token"), str) or not isinstance(token.get("access_token"), str):
        raise refused(provider, "the answer has no ID token")
    return token


def _verified_claims(
    documents: ProviderDocuments, metadata: dict[str, Any], exchange: Exchange, token: dict[str, Any]
) -> dict[str, Any]:
    provider = exchange.provider
    try:
        try:
            decoded = jwt.decode(token["id_token"], _keys(documents, metadata, provider), algorithms=ALGORITHMS)
        except (JoseError, ValueError):  # the provider may have new keys
            keys = _keys(documents, metadata, provider, anew=True)
            decoded = jwt.decode(token["id_token"], keys, algorithms=ALGORITHMS)
        expected = {"iss": provider.issuer, "aud": provider.client_id}
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={name: {"essential": True, "value": value} for name, value in expected.items()},
            params={
                "nonce": exchange.nonce,
                "client_id": provider.client_id,
                "access_token": token["access_token"],
            },
        )
        claims.validate(leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise refused(provider, f"ID token: {type(error).__name__}: {error}") from error
    return dict(claims)


def _keys(
    documents: ProviderDocuments, metadata: dict[str, Any], provider: SignInProvider, *, anew: bool = False
) -> KeySet:
    """Return the keys with which the provider signs; raises ValueError or JoseError."""
    listed = documents.get(provider, metadata["jwks_uri"], anew=anew).get("keys")
    if not isinstance(listed, list):
        raise ValueError("the provider lists no keys")  # noqa: TRY004 - as a wrong key, which the caller expects
    signing = [one for one in listed if one.get("kty") in {"RSA", "EC", "OKP"} and one.get("use", "sig") == "sig"]
    return KeySet.import_key_set({"keys": signing})


def _user_info(provider: SignInProvider, endpoint: Any, token: dict[str, Any]) -> dict[str, Any]:
    """Return more claims about the person; whoever reads them lets those of the ID token take precedence."""
    status, found = call(provider, "GET", str(endpoint), headers={"Authorization": f"Bearer {token['access_token']}"})
    is_found = status == httpx.codes.OK and isinstance(found, dict)
    return found if is_found else {}
