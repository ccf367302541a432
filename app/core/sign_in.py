"""Signing in at a provider: a journey through a browser that ends where it began, once.

The front end makes up a verifier, keeps it, and sends the browser to ``/auth/PROVIDER/start`` with its sha256. The server sends
the browser on with a state, and with a cookie that goes to the callback only. The provider sends it back to
``/auth/PROVIDER/callback`` with a code, the server asks the provider who it is, and sends the browser to the front end with a
code of ours. The front end shows that with its verifier to ``completeSignIn``, and gets tokens. Nothing is linked or made
before that last step, so that who lures somebody else's browser into the journey gains nothing: neither half is any good alone.

The database has hashes only. Nonce and PKCE verifier are made from the cookie and the state, which nobody else has together.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import strawberry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from app.core.credential import prove_again
from app.core.erased_identity import erased_names
from app.core.identity import Identity, identity_linked, meet_identity, name_of, own_by
from app.core.rate_bucket import bucket_id
from app.core.session import SessionSettings, Tokens, open_session
from app.kit.context import Info
from app.kit.db import Db, look_up
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, public_mutation, public_query
from app.kit.http import STATUS, read_client, read_headers
from app.kit.log import log
from app.kit.oidc import Provider, ProviderConfig, ProviderError
from app.kit.sql import File
from app.kit.token import Profile

JOURNEY = timedelta(minutes=10)
"""From the start to the callback: people type passwords and look for their phones."""
LAST_STEP = timedelta(minutes=2)
"""From the callback to the front end's mutation."""
MAX_RETURN_LENGTH = 500
_RETURN = re.compile(r"([a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+)([/?][!-~]*)?")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,200}")
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class SignInSettings(SessionSettings, Protocol):
    """What the operator says of providers, see app/settings.py."""

    public_url: str
    allowed_origins: list[str]

    def all_providers(self) -> list[ProviderConfig]:
        """Those that are set up."""


@dataclass(frozen=True)
class SignInId:
    """The step was taken; None where it could not be."""

    id: UUID | None


@dataclass(frozen=True)
class SignInReturn:
    """Where the front end waits; None where the state is not good in this browser."""

    return_to: str | None


@dataclass(frozen=True)
class SignInProof:
    """Who signed in at the provider."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    display_name: str | None
    acceptable: bool
    proven: bool


sql = File("core/sign_in")
begin_sign_in = sql.one("begin_sign_in", SignInId)
settle_sign_in = sql.one("settle_sign_in", SignInId)
take_sign_in_code = sql.one("take_sign_in_code", SignInProof)
take_sign_in_state = sql.one("take_sign_in_state", SignInReturn)
take_sign_in_ticket = sql.one("take_sign_in_ticket", SignInId)


def open_providers(settings: SignInSettings) -> dict[str, Provider]:
    """The providers of a process, by name."""
    root = settings.public_url.rstrip("/")
    return {each.name: Provider(each, f"{root}/auth/{each.name}/callback") for each in settings.all_providers()}


def check_return(url: str, origins: list[str]) -> str:
    """An address of a front end that is allowed. Raises BAD_INPUT.

    Only forms that every reader reads alike pass: no user, no backslash, no capitals or escapes in the host.
    """
    match = _RETURN.fullmatch(url) if len(url) <= MAX_RETURN_LENGTH else None
    if match is None or "\\" in url or "#" in url:
        raise AppError(ErrorCode.BAD_INPUT, "returnTo must be an address such as https://app.example/back.", field="returnTo")
    allowed = "|".join(re.escape(origin).replace(r":\*", r":\d{1,5}") for origin in origins)
    if not re.fullmatch(allowed or r"(?!)", match[1]):
        raise AppError(
            ErrorCode.BAD_INPUT, "returnTo must begin with one of the origins in FIVEFOLD_ALLOWED_ORIGINS.", field="returnTo"
        )
    return url


def read_challenge(text: str) -> bytes:
    """The bytes of a sha256 in base64url. Raises BAD_INPUT."""
    try:
        if _CHALLENGE.fullmatch(text):
            return base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
    except binascii.Error:
        pass
    raise AppError(
        ErrorCode.BAD_INPUT, "challenge must be the sha256 of your verifier in base64url, 43 characters.", field="challenge"
    )


def hash_of(secret: str) -> bytes:
    """What the database keeps of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True)
class Journey:
    """The two secrets of a sign-in under way, and what is made of them."""

    state: str
    browser: str

    @classmethod
    def new(cls) -> Journey:
        """Of 256 random bits each."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    def derive(self, what: str) -> str:
        """A value that only who has both secrets can know, 43 characters."""
        digest = hmac.digest(self.browser.encode(), f"{what}:{self.state}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def nonce(self) -> str:
        """Ties the ID token to this journey."""
        return self.derive("nonce")

    @property
    def verifier(self) -> str:
        """Of PKCE: ties the provider's code to this journey."""
        return self.derive("pkce")


def cookie_name(state: str, *, secure: bool) -> str:
    """Each journey has its own, so that two tabs do not disturb each other."""
    return f"{'__Secure-' if secure else ''}fivefold_sign_in_{hash_of(state).hex()[:16]}"


async def start(request: Request) -> Response:
    """``GET /auth/PROVIDER/start``: on to the provider, with a state and a cookie."""
    service = request.app.state.service
    provider = service.providers.get(request.path_params["provider"])
    if provider is None:
        return _tell("There is no such way to sign in here.", 404)
    name, journey, given = provider.config.name, Journey.new(), _read(request)
    try:
        await _charge(request)
        if "ticket" in given:
            opening = {
                "ticket_hash": hash_of(given["ticket"]),
                "provider": name,
                "state_hash": hash_of(journey.state),
                "browser_hash": hash_of(journey.browser),
            }
            (opened,) = await look_up(service.pool, take_sign_in_ticket.statement, opening)
            if opened["id"] is None:
                return _tell("This link was used before, or is too old. Go back and ask for a new one.", 400)
            url = await _leave(provider, journey)
        else:
            return_to = check_return(given.get("return_to", ""), service.settings.allowed_origins)
            challenge = read_challenge(given.get("challenge", ""))
            url = await _leave(provider, journey)
            begun = {
                "secret_hash": hash_of(journey.state),
                "browser_hash": hash_of(journey.browser),
                "challenge": challenge,
                "provider": name,
                "return_to": return_to,
                "linking": False,
                "lifetime": JOURNEY,
            }
            await look_up(service.pool, begin_sign_in.statement, begun)
    except ProviderError as error:
        return _tell(error.sentence, 503)
    except AppError as error:
        return _refuse(error)
    response = RedirectResponse(url, 303, _HEADERS)
    secure, path = _cookie_place(service.settings.public_url, name)
    response.set_cookie(
        cookie_name(journey.state, secure=secure),
        journey.browser,
        max_age=int(JOURNEY.total_seconds()),
        path=path,
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def callback(request: Request) -> Response:
    """``GET /auth/PROVIDER/callback``: who it is, then back to the front end with a code of ours, or with why there is none."""
    service = request.app.state.service
    provider = service.providers.get(request.path_params["provider"])
    if provider is None:
        return _tell("There is no such way to sign in here.", 404)
    name, given, code = provider.config.name, _read(request), secrets.token_urlsafe(32)
    secure, path = _cookie_place(service.settings.public_url, name)
    state = given.get("state", "")
    cookie = cookie_name(state, secure=secure)
    journey = Journey(state, request.cookies.get(cookie, ""))
    try:
        await _charge(request)
        taken = {
            "state_hash": hash_of(state),
            "provider": name,
            "browser_hash": hash_of(journey.browser),
            "code_hash": hash_of(code),
        }
        found = await look_up(service.pool, take_sign_in_state.statement, taken)
        return_to = found[0]["return_to"] if _SECRET.fullmatch(state) and _SECRET.fullmatch(journey.browser) else None
        if return_to is None:
            return _tell("This sign-in is over, took too long, or was begun in another browser. Go back and start again.", 400)
        told = await _finish(service.pool, provider, journey, given, code)
    except AppError as error:
        return _refuse(error)
    joint = "&" if "?" in return_to else "?"
    response = RedirectResponse(f"{return_to}{joint}{urlencode(told)}", 303, _HEADERS)
    response.delete_cookie(cookie, path=path, secure=secure, httponly=True, samesite="lax")
    return response


async def _finish(pool: Any, provider: Provider, journey: Journey, given: dict[str, str], code: str) -> dict[str, str]:
    """What the front end is told. Raises AppError."""
    try:
        if "error" in given or "code" not in given:
            raise _refusal(given.get("error", ""))
        proof = await provider.prove(
            code=given["code"], issuer=given.get("iss"), nonce=journey.nonce, verifier=journey.verifier
        )
    except ProviderError as error:
        log.info("sign-in refused", provider=provider.config.name, word=error.word, cause=error.cause)
        return {"error": error.word, "error_description": error.sentence}
    said = {
        "code_hash": hash_of(code),
        "issuer": proof.issuer,
        "subject": proof.subject,
        "email": proof.profile.email,
        "display_name": proof.profile.name,
        "acceptable": proof.profile.acceptable,
        "proven": proof.profile.proven,
        "lifetime": LAST_STEP,
    }
    (settled,) = await look_up(pool, settle_sign_in.statement, said)
    if settled["id"] is None:
        return {"error": "SIGN_IN_EXPIRED", "error_description": "This sign-in took too long. Start again."}
    return {"code": code}


def _refusal(word: str) -> ProviderError:
    """What a provider's error means. Its own words are not repeated: whoever makes the address writes them."""
    match word:
        case "access_denied" | "consent_required" | "interaction_required" | "login_required" | "account_selection_required":
            return ProviderError("ACCESS_DENIED", "You did not agree at the provider, so you are not signed in.", word)
        case "temporarily_unavailable" | "server_error":
            return ProviderError("PROVIDER_UNAVAILABLE", "The provider cannot sign you in now. Try again later.", word)
    return ProviderError(
        "PROVIDER_REFUSED", "The provider did not accept this sign-in. Start again.", "an error" if word else ""
    )


async def _charge(request: Request) -> None:
    """As for a request without a token: a network may begin so many. Raises RATE_LIMITED."""
    service = request.app.state.service
    db = Db(service.pool, None, uuid4())
    try:
        await service.strangers.charge(db, bucket_id("stranger", read_client(request, read_headers(request)).network), 1)
    finally:
        await db.close()


async def _leave(provider: Provider, journey: Journey) -> str:
    return await provider.authorize_url(state=journey.state, nonce=journey.nonce, verifier=journey.verifier)


def _read(request: Request) -> dict[str, str]:
    """The parameters; none at all where one is there twice, which readers read differently, or is longer than any may be."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    return given if len(given) == len(pairs) and all(len(value) <= 4096 for value in given.values()) else {}


def _cookie_place(public_url: str, name: str) -> tuple[bool, str]:
    parts = urlsplit(public_url)
    return parts.scheme == "https", f"{parts.path.rstrip('/')}/auth/{name}/callback"


def _refuse(error: AppError) -> Response:
    response = _tell(error.message, STATUS.get(error.code, 400))
    if "retryAfter" in (error.extensions or {}):
        response.headers["Retry-After"] = str((error.extensions or {})["retryAfter"])
    return response


def _tell(sentence: str, status: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, _HEADERS)


ROUTES = (
    Route("/auth/{provider}/start", start, methods=["GET"]),
    Route("/auth/{provider}/callback", callback, methods=["GET"]),
)


@strawberry.input(description="The code that the front end was given in its address, and what it kept.")
class CompleteSignInInput:
    """Both work once."""

    return_code: str = strawberry.field(description="`code` of the address to which the browser came back.")
    verifier: str = strawberry.field(description="Whose sha256 the sign-in began with.")


@strawberry.type(description="The tokens of a new session.")
class CompleteSignInPayload:
    """As after a sign-in by password."""

    tokens: Tokens
    created: bool = strawberry.field(description="Whether the account was made by this sign-in.")


@strawberry.input(description="At which provider, and where to come back to.")
class PrepareLinkInput:
    """As for signing in, by a person who is."""

    provider: str = strawberry.field(description="Such as google.")
    return_to: str = strawberry.field(description="An address of the front end, at one of the allowed origins.")
    challenge: str = strawberry.field(description="sha256 of a verifier that the front end keeps, in base64url.")
    password: str | None = strawberry.field(default=None, description="The account's, unless the person signed in just now.")


@strawberry.type(description="Where the browser goes next.")
class PrepareLinkPayload:
    """Good once, for ten minutes."""

    url: str


@strawberry.input(description="The code that the front end was given in its address, and what it kept.")
class CompleteLinkInput:
    """By the person who started it."""

    return_code: str = strawberry.field(description="`code` of the address to which the browser came back.")
    verifier: str = strawberry.field(description="Whose sha256 the link began with.")


@strawberry.type(description="The new way to sign in.")
class CompleteLinkPayload:
    """It works from now on."""

    identity: Identity


@strawberry.type(description="A provider at which people sign in here.")
class SignInProvider:
    """As the operator has set it up; nothing of it is secret."""

    name: str = strawberry.field(description="For prepareLink, such as google.")
    kind: str = strawberry.field(description="google, microsoft, github, or oidc for any other.")
    start_path: str = strawberry.field(description="Below the address of this API: send the browser there, see the manual.")


@strawberry.type
class SignInQuery:
    """The root field by which a front end knows what to offer."""

    @public_query()
    async def sign_in_providers(self, info: Info) -> list[SignInProvider]:
        """The providers at which people sign in here, in the order to show them; empty where there are passwords alone."""
        settings: SignInSettings = info.context.settings
        return [
            SignInProvider(name=each.name, kind=each.kind, start_path=f"/auth/{each.name}/start")
            for each in settings.all_providers()
        ]


@strawberry.type
class SignInMutation:
    """Root fields that begin and end what happens at a provider."""

    @public_mutation()
    async def complete_sign_in(self, info: Info, input: CompleteSignInInput) -> CompleteSignInPayload | None:
        """End a sign-in at a provider: tokens for the code and the verifier. Makes an account where there is none."""
        context = info.context
        proof = await take_proof(info, input.return_code, input.verifier, linking=False)
        profile = Profile(proof.email, proof.display_name, proof.acceptable, proof.proven)
        async with context.db.transaction():
            met = await meet_identity(
                context.db,
                issuer=proof.issuer,
                subject=proof.subject,
                email=proof.email,
                display_name=name_of(profile),
                acceptable=proof.acceptable,
                proven=proof.proven,
                digests=erased_names(context.keys, proof.issuer, proof.subject),
                again=True,
                issued_at=datetime.now(UTC),
            )
            assert met is not None
            tokens = await open_session(
                context.db,
                own_by(met),
                keys=context.keys,
                settings=context.settings,
                client=context.client,
                method=proof.provider.upper().replace("-", "_"),
            )
        return CompleteSignInPayload(tokens=tokens, created=met.outcome == "CREATED")

    @mutation(roles=None)
    async def prepare_link(self, info: Info, input: PrepareLinkInput) -> PrepareLinkPayload | None:
        """Begin to add one more way to sign in: open the address in the person's browser. An earlier one that is open ends."""
        settings: SignInSettings = info.context.settings
        if input.provider not in {each.name for each in settings.all_providers()}:
            raise AppError(ErrorCode.BAD_INPUT, "There is no such provider here.", field="provider")
        await prove_again(info.context, input.password)
        ticket = secrets.token_urlsafe(32)
        async with info.context.db.transaction():
            await begin_sign_in(
                info.context.db,
                secret_hash=hash_of(ticket),
                browser_hash=None,
                challenge=read_challenge(input.challenge),
                provider=input.provider,
                return_to=check_return(input.return_to, settings.allowed_origins),
                linking=True,
                lifetime=JOURNEY,
            )
        return PrepareLinkPayload(url=f"{settings.public_url.rstrip('/')}/auth/{input.provider}/start?ticket={ticket}")

    @mutation(roles=None)
    async def complete_link(self, info: Info, input: CompleteLinkInput) -> CompleteLinkPayload | None:
        """Add the way to sign in. Doing so again changes nothing; what opens another account is refused."""
        proof = await take_proof(info, input.return_code, input.verifier, linking=True)
        async with info.context.db.transaction():
            identity = await identity_linked(info.context.db, issuer=proof.issuer, subject=proof.subject)
        if identity is None:
            raise AppError(ErrorCode.BAD_INPUT, "An account has 20 ways to sign in at most. Remove one before.")
        return CompleteLinkPayload(identity=identity)


async def take_proof(info: Info, code: str, verifier: str, *, linking: bool) -> SignInProof:
    """Use up a code, in a transaction of its own: whatever comes after, it is gone. Raises UNAUTHENTICATED or BAD_INPUT."""
    proof = None
    if _SECRET.fullmatch(code) and 32 <= len(verifier) <= 200:
        async with info.context.db.transaction():
            proof = await take_sign_in_code(
                info.context.db, code_hash=hash_of(code), challenge=hash_of(verifier), linking=linking
            )
    if proof is None:
        sentence = "This code was used before, is too old, or was not given to this front end. Start again."
        raise AppError(ErrorCode.BAD_INPUT if linking else ErrorCode.UNAUTHENTICATED, sentence)
    return proof
