"""Deletion: who goes may come back for a while, and is erased after it.

``deleteAccount`` shuts the account at once, for everybody who has a key, a session or a token of it, and schedules its erasure;
``restoreAccount`` opens it again, as it was but for its sessions. ``requestErasure``, of app/core/erasure.py, is the other way
to the same end: there the person goes on until the day. Both are lines of one ledger, and one person has one that is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import strawberry

from app.core.account import check_email, get_account
from app.core.credential import prove_again, prove_sign_in
from app.core.email_token import AskedToken, EmailTokenAsked, charge_mail, hash_token, mail_email_token
from app.core.erased_identity import erased_names
from app.core.identity import MetIdentity, meet_identity, own_by
from app.core.session import Tokens, open_session
from app.core.sign_in import SignInProof, take_proof
from app.kit.context import Context, Info
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, public_mutation
from app.kit.jobs import enqueue
from app.kit.sql import File


@dataclass(frozen=True)
class DeletedOutcome:
    """DELETED, or why not: UNKNOWN, OWNER."""

    outcome: str
    deleted_at: datetime | None
    restorable_until: datetime | None
    notice_id: UUID | None


@dataclass(frozen=True)
class RestoredAccount:
    """Whether it is there again."""

    restored: bool


@dataclass(frozen=True)
class RestoreOwner:
    """Whose token it was."""

    owner_id: UUID


sql = File("core/deletion")
delete_account = sql.one("delete_account", DeletedOutcome)
request_account_restore = sql.one("request_account_restore", AskedToken)
take_account_restore = sql.one("take_account_restore", RestoreOwner)
update_restored_account = sql.one("update_restored_account", RestoredAccount)


@strawberry.input(description="That one wants to go, and may want to come back.")
class DeleteAccountInput:
    """A person's own token is needed, and proof that it is the person; no API key may ask."""

    confirm_email: str = strawberry.field(description="The account's own e-mail, typed by the person.")
    password: str | None = strawberry.field(default=None, description="The account's, unless the person signed in just now.")


@strawberry.type(description="The account is deleted: the token of this request is not good any more.")
class DeleteAccountPayload:
    """Until when there is a way back."""

    deleted_at: datetime
    restorable_until: datetime = strawberry.field(description="Then it is erased. restoreAccount brings it back before.")


@strawberry.input(
    description="One proof of whose account it is: address and password, a mailed token, or a sign-in at a provider."
)
class RestoreAccountInput:
    """Exactly one of the three."""

    email: str | None = None
    password: str | None = None
    token: str | None = strawberry.field(default=None, description="As deleteAccount and requestAccountRestore mail it.")
    return_code: str | None = strawberry.field(default=None, description="As for completeSignIn.")
    verifier: str | None = None


@strawberry.type(description="The account is there again, and the person is signed in.")
class RestoreAccountPayload:
    """As it was, but for its sessions."""

    tokens: Tokens


@strawberry.input(description="Whose account is to be restored.")
class RequestAccountRestoreInput:
    """Repeating it mails again."""

    email: str


@strawberry.type(description="A mail is on its way, if the address has an account that is deleted.")
class RequestAccountRestorePayload:
    """The same for every address."""

    email: str = strawberry.field(description="Where the mail would go.")


async def _meet(context: Context, proof: SignInProof) -> MetIdentity:
    """Whom a sign-in at a provider proves."""
    met = await meet_identity(
        context.db,
        issuer=proof.issuer,
        subject=proof.subject,
        email=proof.email,
        display_name=proof.display_name,
        acceptable=proof.acceptable,
        proven=proof.proven,
        digests=erased_names(context.keys, proof.issuer, proof.subject),
        again=False,
        issued_at=datetime.now(UTC),
    )
    assert met is not None
    return met


@strawberry.type
class DeletionMutation:
    """Root fields by which people go, and come back."""

    @mutation(roles=None)
    async def delete_account(self, info: Info, input: DeleteAccountInput) -> DeleteAccountPayload | None:
        """Delete the caller's account: at once nobody gets in. It can be restored for some days, then it is erased.

        A mail to its proven address tells so, with a token for restoreAccount.
        """
        context, db = info.context, info.context.db
        account = await get_account(db)
        assert account is not None  # or the token would not have been accepted
        if input.confirm_email.strip().lower() != account.email:
            message = "confirmEmail is not the e-mail of this account: type it as it is, to show that you mean it."
            raise AppError(ErrorCode.BAD_INPUT, message, field="confirmEmail")
        await prove_again(context, input.password)
        async with db.transaction():
            done = await delete_account(db, days=context.settings.restore_days)
            assert done is not None
            if done.outcome == "OWNER":
                message = (
                    "Others are in an organization that nobody but you owns: make one of them an owner first, or delete it "
                    "with deleteWorkspace. previewErasure lists them."
                )
                raise AppError(ErrorCode.SOLE_OWNER, message)
            if done.outcome != "DELETED":
                raise AppError(ErrorCode.NOT_FOUND, "The account is deleted already.")
            assert done.notice_id is not None
            await enqueue(db, mail_email_token, EmailTokenAsked(id=done.notice_id))
        assert done.deleted_at is not None
        assert done.restorable_until is not None
        return DeleteAccountPayload(deleted_at=done.deleted_at, restorable_until=done.restorable_until)

    @public_mutation()
    async def restore_account(self, info: Info, input: RestoreAccountInput) -> RestoreAccountPayload | None:
        """Bring back a deleted account, and sign in to it. Its erasure is canceled; keys work again, sessions stay ended."""
        context, db = info.context, info.context.db
        by_password, by_provider = (input.email, input.password), (input.return_code, input.verifier)
        ways = [None not in by_password, input.token is not None, None not in by_provider]
        if sum(ways) != 1 or sum(each is not None for each in (*by_password, input.token, *by_provider)) > 2 - ways[1]:
            message = "Pass email and password, or a token that was mailed, or returnCode and verifier: one of the three."
            raise AppError(ErrorCode.BAD_INPUT, message)
        owner_id: UUID | None = None
        method, proof = "PASSWORD", None
        if input.email is not None and input.password is not None:
            owner_id = (await prove_sign_in(context, input.email, input.password)).owner_id
        elif input.return_code is not None and input.verifier is not None:
            proof = await take_proof(info, input.return_code, input.verifier, linking=False)
            method = proof.provider.upper().replace("-", "_")
        async with db.transaction():
            if input.token is not None:
                method = "ACCOUNT_RESTORE"
                taken = await take_account_restore(db, token_hash=hash_token(input.token))
                if taken is None:
                    raise AppError(ErrorCode.BAD_INPUT, "This token is not good any more. Ask for another.", field="token")
                owner_id = taken.owner_id
            elif proof is not None:
                # Nothing is made by this: where nobody is met who was deleted, the transaction is undone below.
                met = await _meet(context, proof)
                owner_id = met.met_id if met.outcome == "DELETED" else None
            done = None if owner_id is None else await update_restored_account(db, restored_id=owner_id)
            if owner_id is None or done is None or not done.restored:
                message = "There is nothing to restore: the account is not deleted, and you sign in to it, or its time is over."
                raise AppError(ErrorCode.NOT_FOUND, message)
            if proof is not None:
                # As at any sign-in: who was met by a proven address is linked, and if nobody had proven it, other ways in end.
                own_by(await _meet(context, proof))
            tokens = await open_session(
                db, owner_id, keys=context.keys, settings=context.settings, client=context.client, method=method
            )
        return RestoreAccountPayload(tokens=tokens)

    @public_mutation()
    async def request_account_restore(
        self, info: Info, input: RequestAccountRestoreInput
    ) -> RequestAccountRestorePayload | None:
        """Mail a token for restoreAccount, if the address has a deleted account. The answer does not tell whether it has."""
        context, db = info.context, info.context.db
        email = check_email(input.email, field="email")
        await charge_mail(context, email)
        async with db.transaction():
            asked = await request_account_restore(db, email=email)
            assert asked is not None
            await enqueue(db, mail_email_token, EmailTokenAsked(id=asked.email_token_id))
        return RequestAccountRestorePayload(email=email)
