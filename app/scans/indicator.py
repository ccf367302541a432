"""Indicators: what engines may find, one fixed vocabulary of kinds, each with its evidence, weight, categories and sentence.

Nothing of a page can become part of an indicator: it is a kind and a number. The sentences are ours, and they are all that
the reasoning of a judgement is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import strawberry

from app.kit.graphql import field
from app.kit.sql import File

WEIGHTS_VERSION = 3
"""Raised by whoever changes a weight, or how weights are combined: scores of two versions do not compare."""


@strawberry.enum(name="ScanCategory", description="What an address or its page is suspected of.")
class Category(Enum):
    """Values as in the database."""

    MALWARE = "MALWARE"
    PHISHING = "PHISHING"
    SCAM = "SCAM"
    SUSPICIOUS = "SUSPICIOUS"
    ADULT_CONTENT = "ADULT_CONTENT"
    VIOLENCE = "VIOLENCE"
    ILLEGAL_CONTENT = "ILLEGAL_CONTENT"
    MISINFORMATION = "MISINFORMATION"
    SPAM = "SPAM"
    OTHER = "OTHER"


@strawberry.enum(name="ScanEvidence", description="Where an engine saw it.")
class EvidenceType(Enum):
    """Values as in the database."""

    ADDRESS = strawberry.enum_value("ADDRESS", description="The address itself, or the one it led to.")
    REDIRECT = strawberry.enum_value("REDIRECT", description="The way from the address to the page.")
    TLS = strawberry.enum_value("TLS", description="Connection and certificate.")
    HEADER = strawberry.enum_value("HEADER", description="Headers of the answer.")
    FILE = strawberry.enum_value("FILE", description="The form of what was answered, where that is no page.")
    FORM = strawberry.enum_value("FORM", description="A form of the page.")
    SCRIPT = strawberry.enum_value("SCRIPT", description="A script of the page, read and not run.")
    TEXT = strawberry.enum_value("TEXT", description="The words of the page.")
    STRUCTURE = strawberry.enum_value("STRUCTURE", description="How the page is built.")
    FEED = strawberry.enum_value("FEED", description="A list of known addresses.")
    MODEL = strawberry.enum_value("MODEL", description="A language model's opinion.")


@dataclass(frozen=True)
class Kind:
    """What is said of one kind: ``weight`` 0..100 is how sure a judge may be of harm who knows nothing else."""

    evidence: EvidenceType
    weight: int
    categories: tuple[Category, ...]
    sentence: str


def _kinds() -> dict[str, Kind]:
    e = EvidenceType
    phishing, malware, scam = (Category.PHISHING,), (Category.MALWARE,), (Category.SCAM,)
    odd, spam = (Category.SUSPICIOUS,), (Category.SPAM,)
    return {
        # Addresses
        "BRAND_LOOKALIKE": Kind(e.ADDRESS, 72, phishing, "The host is spelled to be taken for a known brand's."),
        "BRAND_MISSPELLED": Kind(e.ADDRESS, 50, phishing, "The host is one letter away from a known brand."),
        "BRAND_ADDRESS_IN_HOST": Kind(
            e.ADDRESS, 75, phishing, "The host begins with the address of a brand that does not own it."
        ),
        "ADDRESS_CARRIED_IN_HOST": Kind(
            e.ADDRESS, 10, odd, "The host begins with a brand's address, as those of web hosts, mirrors and proxies do."
        ),
        "BRAND_IN_HOST": Kind(e.ADDRESS, 31, phishing, "The host names a brand that does not own it."),
        "BRAND_WITH_LURE_IN_HOST": Kind(
            e.ADDRESS, 72, phishing, "The host joins a brand that does not own it to words of signing in."
        ),
        "BRAND_ADDRESS_IN_PATH": Kind(
            e.ADDRESS, 42, phishing, "The path spells the address of a brand that does not own the host."
        ),
        "BRAND_WITH_LURE_IN_PATH": Kind(
            e.ADDRESS, 32, phishing, "The path joins a brand that does not own the host to words of signing in."
        ),
        "MIXED_SCRIPTS_IN_HOST": Kind(e.ADDRESS, 60, phishing, "A label of the host mixes letters of several scripts."),
        "IP_HOST": Kind(e.ADDRESS, 15, odd, "The host is a bare network address."),
        "ENCODED_HOST": Kind(e.ADDRESS, 40, odd, "The host is spelled in an unusual form."),
        "MANY_SUBDOMAINS": Kind(e.ADDRESS, 12, odd, "The host has very many parts."),
        "SUSPICIOUS_TLD": Kind(e.ADDRESS, 12, odd, "The host's top-level domain is abused far more often than others."),
        "RANDOM_LABEL": Kind(e.ADDRESS, 15, odd, "A part of the host looks generated."),
        "MANY_HYPHENS": Kind(e.ADDRESS, 10, odd, "The host strings many words together."),
        "LURE_WORD_IN_HOST": Kind(e.ADDRESS, 10, phishing, "The host speaks of signing in, security or accounts."),
        "LURE_WORDS_IN_HOST": Kind(
            e.ADDRESS, 34, phishing, "The host strings together words of signing in, security or accounts."
        ),
        "LURE_WORDS_IN_PATH": Kind(e.ADDRESS, 15, phishing, "The path strings together words of urgency about an account."),
        "ODD_PORT": Kind(e.ADDRESS, 5, odd, "The port is unusual for the web."),
        "USER_INFO": Kind(e.ADDRESS, 40, phishing, "The address hides its host behind a name and an at sign."),
        "ENCODED_ADDRESS": Kind(e.ADDRESS, 15, odd, "Plain letters of the address are encoded."),
        "LONG_ADDRESS": Kind(e.ADDRESS, 6, odd, "The address is very long."),
        "REDIRECT_PARAMETER": Kind(e.ADDRESS, 8, odd, "A parameter of the address leads to another site."),
        "ADDRESS_OF_PERSON": Kind(e.ADDRESS, 8, phishing, "The address carries somebody's e-mail address."),
        "EXECUTABLE_ADDRESS": Kind(e.ADDRESS, 10, malware, "The address names a program."),
        "DOUBLE_EXTENSION": Kind(e.ADDRESS, 72, malware, "The address names a program that poses as a document."),
        "ARCHIVE_LURE": Kind(e.ADDRESS, 20, malware, "The address names an archive as if it were a letter or a bill."),
        "SHORTENER": Kind(e.ADDRESS, 4, odd, "The address is a short link."),
        "FREE_HOSTING": Kind(e.ADDRESS, 6, odd, "The host is one where anybody may publish."),
        "TUNNEL_OR_DYNAMIC_HOST": Kind(e.ADDRESS, 16, odd, "The host is a tunnel or a dynamic name."),
        "KIT_PATH": Kind(e.ADDRESS, 25, phishing, "The path is like those that phishing kits leave on hacked sites."),
        "SCAM_WORDS_IN_ADDRESS": Kind(e.ADDRESS, 34, scam, "The address promises prizes, refunds or riches."),
        "DOWNLOAD_LURE_IN_ADDRESS": Kind(
            e.ADDRESS, 30, malware, "The address offers cracked programs or updates of a browser."
        ),
        "MALWARE_WORDS_IN_ADDRESS": Kind(e.ADDRESS, 30, malware, "The address names tools of attackers."),
        "BRAND_WITH_WEAK_LURE_IN_HOST": Kind(
            e.ADDRESS, 45, phishing, "The host joins a brand that does not own it to words of service."
        ),
        "BRAND_UNDER_CHEAP_TLD": Kind(
            e.ADDRESS, 12, phishing, "The host names a brand that does not own it, where names cost next to nothing."
        ),
        "BRAND_IN_PATH_OF_FREE_HOST": Kind(
            e.ADDRESS, 42, phishing, "A page where anybody may publish is named like a brand that does not own the host."
        ),
        "DROPPER_PATH": Kind(e.ADDRESS, 45, malware, "The path on a bare network address is named as droppers name programs."),
        # Redirects
        "MANY_REDIRECTS": Kind(e.REDIRECT, 10, odd, "The way to the page has very many steps."),
        "MANY_SITES_CROSSED": Kind(e.REDIRECT, 18, odd, "The way to the page crosses several sites."),
        "DOWNGRADED": Kind(e.REDIRECT, 18, odd, "An encrypted address leads to one without encryption."),
        "REDIRECTED_TO_IP": Kind(e.REDIRECT, 20, odd, "The way leads from a name to a bare network address."),
        "REDIRECTED_TO_SUSPICIOUS_TLD": Kind(e.REDIRECT, 14, odd, "The way leads to a top-level domain that is often abused."),
        "REDIRECTED_TO_PROGRAM": Kind(e.REDIRECT, 30, malware, "The way leads from one site to a program on another."),
        "OPEN_REDIRECT_USED": Kind(e.REDIRECT, 14, odd, "A parameter of a site's address was used to lead elsewhere."),
        "ODD_REDIRECT": Kind(e.REDIRECT, 40, odd, "A redirect leads to something that is no web address."),
        # TLS
        "NO_TLS": Kind(e.TLS, 4, odd, "The page comes without encryption."),
        "SELF_SIGNED": Kind(e.TLS, 10, odd, "The certificate vouches for itself."),
        "CERTIFICATE_UNTRUSTED": Kind(e.TLS, 8, odd, "The certificate is of nobody whom browsers trust."),
        "CERTIFICATE_EXPIRED": Kind(e.TLS, 9, odd, "The certificate is not valid now."),
        "CERTIFICATE_OF_OTHER": Kind(e.TLS, 12, odd, "The certificate is for another name."),
        "CERTIFICATE_FRESH": Kind(e.TLS, 5, odd, "The certificate is some hours old."),
        "OLD_TLS": Kind(e.TLS, 5, odd, "The encryption is of an outdated kind."),
        # Headers and files
        "NO_SECURITY_HEADERS": Kind(e.HEADER, 2, odd, "None of the headers that protect visitors is set."),
        "TYPE_MISMATCH": Kind(e.HEADER, 12, odd, "What came is of another type than the address names."),
        "PROGRAM_ATTACHED": Kind(e.HEADER, 10, malware, "A program is offered as a download."),
        "DISGUISED_ATTACHMENT": Kind(e.HEADER, 72, malware, "A program is offered under the name of a document."),
        "REFRESH_HEADER": Kind(e.HEADER, 8, odd, "A header sends the visitor elsewhere."),
        "PROGRAM": Kind(e.FILE, 18, malware, "What came is a program."),
        "DISGUISED_PROGRAM": Kind(e.FILE, 85, malware, "What came is a program under another type's name."),
        "PROGRAM_FROM_ODD_HOST": Kind(e.FILE, 45, malware, "A program comes from a host that gives no reason for trust."),
        "COMMAND_SCRIPT": Kind(e.FILE, 75, malware, "What came is a script that fetches and runs other programs."),
        # Forms
        "PASSWORD_TO_OTHER_SITE": Kind(e.FORM, 34, phishing, "A form sends a password to another site."),
        "PASSWORD_OVER_HTTP": Kind(e.FORM, 28, phishing, "A form of an encrypted page sends a password without encryption."),
        "PASSWORD_WITHOUT_TLS": Kind(e.FORM, 8, odd, "A password is asked for without encryption."),
        "SECRETS_TO_COLLECTOR": Kind(
            e.FORM, 85, phishing, "What is typed goes to a service that collects messages for anybody."
        ),
        "SECRETS_BY_MAIL": Kind(e.FORM, 70, phishing, "A form mails a password or card to somebody."),
        "SECRETS_TO_IP": Kind(e.FORM, 55, phishing, "A form sends secrets to a bare network address."),
        "SECRETS_TO_SUSPICIOUS_HOST": Kind(e.FORM, 60, phishing, "A form sends secrets to a host that looks deceptive."),
        "ODD_FORM_TARGET": Kind(e.FORM, 25, phishing, "A form that asks for secrets leads to no web address."),
        "SECRETS_TO_DATA": Kind(
            e.FORM, 46, phishing, "A form that asks for secrets leads into a page spelled out as an address."
        ),
        "KIT_FORM_TARGET": Kind(e.FORM, 22, phishing, "A form that asks for secrets is handled as phishing kits do."),
        "CARD_FIELDS": Kind(e.FORM, 4, odd, "The page asks for a payment card."),
        "CARD_WITH_LOGIN": Kind(e.FORM, 42, phishing, "One page asks for a password and a card."),
        "CARD_PIN_FIELD": Kind(e.FORM, 62, phishing, "The page asks for a card's PIN."),
        "MANY_SECRETS": Kind(e.FORM, 60, phishing, "The page asks for secrets that nobody needs together."),
        "SEED_PHRASE_REQUEST": Kind(e.FORM, 88, phishing, "The page asks for the words that open a wallet."),
        "MAIL_PASSWORD_REQUEST": Kind(e.FORM, 55, phishing, "The page asks for the password of a mailbox elsewhere."),
        "SECRETS_IN_FORM_SERVICE": Kind(
            e.FORM, 60, phishing, "Secrets are asked for by a form of a service where anybody sets up forms."
        ),
        "SECRETS_TO_FREE_HOST": Kind(
            e.FORM, 60, phishing, "A form sends secrets to another site, of a kind that anybody may set up."
        ),
        "PASSWORD_ON_ODD_HOST": Kind(
            e.FORM, 20, phishing, "A password is asked for where anybody may publish or names cost nothing."
        ),
        "MESSENGER_CODE": Kind(e.FORM, 48, phishing, "The page asks for the code that opens somebody's messenger."),
        "CARD_ON_ODD_HOST": Kind(
            e.FORM, 45, phishing, "A card, PIN or number of a person is asked for on a host that gives no reason for trust."
        ),
        # Brands on pages
        "BRAND_HOST_ASKS": Kind(
            e.STRUCTURE, 38, phishing, "The page asks for secrets, and its host names a brand that does not own it."
        ),
        "BRAND_CLAIMED": Kind(
            e.STRUCTURE, 74, phishing, "The page poses as a known brand, which does not own the host, and asks for secrets."
        ),
        "BRAND_NAMED_AT_FORM": Kind(
            e.STRUCTURE, 40, phishing, "A short page asks for secrets in the name of a brand that does not own the host."
        ),
        "PROGRAM_IN_BRANDS_NAME": Kind(
            e.STRUCTURE, 56, malware, "A page in the name of a brand that does not own the host hands out a program by itself."
        ),
        "BRAND_IN_TITLE": Kind(
            e.STRUCTURE, 36, phishing, "A page that asks for secrets is titled with a brand that does not own the host."
        ),
        "BRAND_CLAIMED_WITHOUT_FORM": Kind(
            e.STRUCTURE, 14, phishing, "The page carries the name of a brand that does not own the host."
        ),
        "BRAND_ICON": Kind(e.STRUCTURE, 45, phishing, "The page asks for secrets under the icon of another site."),
        "BRAND_PICTURES": Kind(
            e.STRUCTURE, 28, phishing, "The page asks for secrets beside pictures taken from a brand's site."
        ),
        "LINKS_OF_OTHER_SITE": Kind(
            e.STRUCTURE, 32, phishing, "Nearly all links of the page belong to another site, its form does not."
        ),
        "DEAD_LINKS": Kind(e.STRUCTURE, 14, phishing, "Nearly all links beside a form lead nowhere."),
        "NAME_WITH_LURE_IN_HOST": Kind(
            e.ADDRESS, 36, phishing, "The page asks for secrets, and its host joins the name it bears to words of signing in."
        ),
        "NAME_WITH_WORD_IN_HOST": Kind(
            e.ADDRESS, 14, phishing, "The page asks for secrets, and its host joins the name it bears to a word of signing in."
        ),
        "LOOK_OF_OTHER_SITE": Kind(
            e.STRUCTURE, 40, phishing, "The page asks for secrets in the name, and with the icon or logo, of another site."
        ),
        "SAVED_PAGE": Kind(e.STRUCTURE, 46, phishing, "The page asks for secrets and was saved from another site."),
        "DRAWN_BROWSER": Kind(e.STRUCTURE, 66, phishing, "The page draws a window of a browser, with a brand's address in it."),
        "PIN_WITH_CODE": Kind(e.FORM, 42, phishing, "One page asks for a PIN and for the code that is sent to confirm it."),
        "PIN_WITH_PHONE": Kind(e.FORM, 30, phishing, "One page asks for a PIN and for a telephone's number."),
        "DEVICE_CODE_LURE": Kind(
            e.STRUCTURE,
            64,
            phishing,
            "The page hands out a code that lets a stranger's device into the visitor's account.",
        ),
        "CONSENT_LURE": Kind(
            e.STRUCTURE, 64, phishing, "The page wants a stranger's program let into the visitor's mail or files."
        ),
        "GIFT_CARD_CODES": Kind(e.FORM, 60, scam, "The page asks for the codes of several shops' gift cards."),
        # Text
        "ACCOUNT_THREAT": Kind(e.TEXT, 48, phishing, "The page threatens an account and asks for secrets."),
        "ACCOUNT_THREAT_SIGNS": Kind(e.TEXT, 32, phishing, "The page speaks of an account in danger and asks for secrets."),
        "ACCOUNT_THREATS": Kind(e.TEXT, 72, phishing, "The page threatens an account again and again and asks for secrets."),
        "ACCOUNT_THREAT_ALONE": Kind(e.TEXT, 5, odd, "The page speaks of an account in danger."),
        "MAILBOX_LURE": Kind(e.TEXT, 60, phishing, "The page wants a mailbox confirmed by its password."),
        "DOCUMENT_LURE": Kind(e.TEXT, 58, phishing, "The page wants a password before it shows a document."),
        "PARCEL_LURE": Kind(e.TEXT, 66, scam + phishing, "The page wants a card for a parcel's fee."),
        "PARCEL_SIGNS": Kind(e.TEXT, 44, scam + phishing, "The page wants personal data for a parcel that is held."),
        "REFUND_LURE": Kind(e.TEXT, 66, scam + phishing, "The page wants a card or password for a refund or fine."),
        "REFUND_SIGNS": Kind(e.TEXT, 34, scam + phishing, "The page wants a log-in for money that is to be received."),
        "AGE_BY_CARD": Kind(e.TEXT, 46, scam, "The page wants a card as a proof of age."),
        "BANK_CHOICE": Kind(
            e.FORM, 58, phishing, "The page lets visitors choose among banks and asks for what opens an account there."
        ),
        "UNTRACEABLE_PAYMENT": Kind(e.TEXT, 48, scam, "The page wants to be paid only in ways that cannot be traced."),
        "PASSWORDED_ARCHIVE": Kind(
            e.TEXT, 44, malware, "The page offers an archive and tells its password, so that nothing looks into it."
        ),
        "SUPPORT_SCAM": Kind(e.TEXT, 76, scam, "The page claims that the computer is blocked or infected and wants a call."),
        "SUPPORT_SCAM_SIGNS": Kind(e.TEXT, 30, scam, "The page claims that the computer is in danger."),
        "PRIZE_SCAM": Kind(e.TEXT, 74, scam, "The page promises a prize to whoever answers quickly."),
        "PRIZE_SIGNS": Kind(e.TEXT, 25, scam, "The page promises a prize."),
        "CRYPTO_GIVEAWAY": Kind(e.TEXT, 85, scam, "The page promises to send back more coins than it gets."),
        "INVESTMENT_SCAM": Kind(e.TEXT, 72, scam, "The page guarantees riches."),
        "INVESTMENT_SIGNS": Kind(e.TEXT, 28, scam, "The page promises high returns."),
        "ADVANCE_FEE": Kind(e.TEXT, 72, scam, "The page promises a fortune for a fee."),
        "RANSOM_NOTE": Kind(e.TEXT, 72, scam, "The page demands coins for files or secrets."),
        "FAKE_UPDATE": Kind(e.TEXT, 72, malware, "The page claims that a program is out of date and brings another."),
        "RUN_COMMAND_LURE": Kind(e.TEXT, 80, malware, "The page tells visitors to paste a command into their computer."),
        "ALLOW_NOTIFICATIONS_LURE": Kind(e.TEXT, 60, spam + scam, "The page wants notifications allowed under a pretext."),
        "CRACKED_SOFTWARE": Kind(e.TEXT, 45, malware, "The page offers programs without their locks."),
        "PHARMACY_SPAM": Kind(e.TEXT, 72, spam, "The page sells medicine without prescription."),
        "WEB_SHELL": Kind(e.STRUCTURE, 76, malware, "The page is a tool of those who broke into its server."),
        "HIDDEN_LINKS": Kind(e.STRUCTURE, 55, spam, "The page hides links to casinos, pills or the like."),
        "FAKE_SHOP_SIGNS": Kind(e.TEXT, 50, scam, "The page sells everything at a fraction of its price."),
        "LURES_ONWARD": Kind(
            e.TEXT, 48, phishing + scam, "The page threatens or promises, and links to a host that looks deceptive."
        ),
        "QR_LURE": Kind(e.TEXT, 55, phishing, "The page threatens an account and wants a code scanned by another device."),
        "FRAMED_ELSEWHERE": Kind(e.STRUCTURE, 42, phishing, "The page is nothing but a frame of another site."),
        "COUNTERFEIT_GOODS": Kind(e.TEXT, 60, scam + spam, "The page sells imitations, or luxury at a fraction of its price."),
        "STUFFED_WORDS": Kind(e.TEXT, 55, spam, "The page is stuffed with words of casinos or pills where they do not belong."),
        "WANTS_GUARDS_OFF": Kind(e.TEXT, 62, malware, "The page wants protection turned off for a program that it offers."),
        "APP_OUTSIDE_STORE": Kind(e.TEXT, 42, malware, "The page wants an app installed past the store and its checks."),
        "OFFERS_DISGUISED_PROGRAM": Kind(e.STRUCTURE, 72, malware, "The page links to a program that poses as a document."),
        "KIT_IN_LISTING": Kind(e.STRUCTURE, 66, phishing + malware, "A list of files shows tools of attackers."),
        "MIRACLE_CURE": Kind(
            e.TEXT, 60, (Category.MISINFORMATION, Category.SCAM), "The page promises a cure that medicine hides."
        ),
        "ILLEGAL_GOODS": Kind(e.TEXT, 74, (Category.ILLEGAL_CONTENT,), "The page sells what may not be sold."),
        "VIOLENT_CALLS": Kind(e.TEXT, 74, (Category.VIOLENCE,), "The page calls for violence."),
        "ADULT_WORDS": Kind(e.TEXT, 3, (Category.ADULT_CONTENT,), "The page is for adults."),
        "SPEAKS_TO_MODELS": Kind(e.TEXT, 30, odd, "The page gives orders to language models."),
        "SPEAKS_TO_MODELS_UNSEEN": Kind(
            e.TEXT, 62, odd, "The page gives orders to language models where no visitor sees them."
        ),
        "MIXED_SCRIPTS_IN_TEXT": Kind(e.TEXT, 40, phishing, "Words of the page mix letters of several scripts."),
        "INVISIBLE_LETTERS": Kind(e.TEXT, 30, phishing, "Words of the page are broken by invisible letters."),
        # Scripts and structure
        "OBFUSCATED_SCRIPT": Kind(e.SCRIPT, 26, malware, "A script hides what it does."),
        "HEAVILY_OBFUSCATED_SCRIPT": Kind(e.SCRIPT, 48, malware, "A script hides what it does in several layers."),
        "HIDDEN_PAGE": Kind(e.SCRIPT, 30, phishing, "The page is written by a script that hides it."),
        "HIDDEN_FORM": Kind(e.SCRIPT, 50, phishing, "A form that asks for secrets is written by a script that hides it."),
        "HIDDEN_ADDRESS": Kind(
            e.SCRIPT, 48, malware, "A script puts together the address of another site, so that it is not read."
        ),
        "HIDDEN_LOADER": Kind(e.SCRIPT, 62, malware, "Code that is spelled to be unreadable fetches a script of another site."),
        "HIDDEN_REDIRECT": Kind(e.SCRIPT, 52, odd, "A script sends visitors to an address that it hides."),
        "SENDS_ROBOTS_AWAY": Kind(e.SCRIPT, 52, phishing, "A script looks for robots and sends them to a brand's own site."),
        "CLOAKING": Kind(e.SCRIPT, 58, spam, "A script sends away those who come from a search."),
        "CRYPTO_MINER": Kind(e.SCRIPT, 80, malware, "A script digs for coins on the visitor's computer."),
        "SKIMMER": Kind(e.SCRIPT, 80, malware + phishing, "A script sends what is typed into payment fields to another site."),
        "KEY_LOGGER": Kind(e.SCRIPT, 74, malware, "A script sends keys that are pressed to another site."),
        "SECRETS_SENT_BY_SCRIPT": Kind(e.SCRIPT, 62, phishing, "A script sends a password to another site."),
        "LEAVES_AFTER_SECRET": Kind(
            e.SCRIPT, 40, phishing, "A script sends visitors to a brand's real site once they typed a password."
        ),
        "SMUGGLED_FILE": Kind(e.SCRIPT, 74, malware, "A script makes a file out of text and hands it over."),
        "COMMANDS_IN_SCRIPT": Kind(e.SCRIPT, 76, malware, "A script holds commands that run programs."),
        "COMMAND_TO_CLIPBOARD": Kind(e.SCRIPT, 85, malware, "A script puts a command where the visitor will paste it."),
        "EXPLOIT_MARKS": Kind(e.SCRIPT, 78, malware, "A script has marks of an attack on browsers."),
        "DOWNLOADS_BY_ITSELF": Kind(e.SCRIPT, 52, malware, "The page starts the download of a program by itself."),
        "DOWNLOADS_ODD_FILE": Kind(e.SCRIPT, 76, malware, "The page starts the download of a file that few programs are."),
        "STARTS_DOWNLOAD": Kind(e.SCRIPT, 16, malware, "The page starts the download of a program of its own site by itself."),
        "OFFERS_PROGRAM": Kind(e.STRUCTURE, 6, malware, "The page links to a program."),
        "HIDDEN_FRAME": Kind(e.STRUCTURE, 24, malware, "The page holds an invisible frame of another site."),
        "HIDDEN_FRAME_OF_ODD_HOST": Kind(
            e.STRUCTURE, 72, malware, "The page holds an invisible frame of a host that looks deceptive."
        ),
        "SCRIPT_OF_IP": Kind(e.STRUCTURE, 40, malware, "A script comes from a bare network address."),
        "SCRIPT_OF_ODD_HOST": Kind(e.STRUCTURE, 45, malware, "A script comes from a host that looks deceptive."),
        "SCRIPT_OF_PASTE": Kind(e.STRUCTURE, 30, malware, "A script comes from where anybody pastes text."),
        "SCRIPT_IN_ADDRESS": Kind(e.STRUCTURE, 12, odd, "A script or frame is spelled out in an address."),
        "BLOCKS_MENU": Kind(e.SCRIPT, 8, odd, "The page forbids the menu of the right button."),
        "BLOCKS_TOOLS": Kind(e.SCRIPT, 24, odd, "The page keeps visitors from looking at its source."),
        "TRAPS_VISITOR": Kind(e.SCRIPT, 34, scam, "The page tries to keep visitors from leaving."),
        "LOOKS_FOR_ROBOTS": Kind(e.SCRIPT, 16, odd, "A script behaves differently to robots."),
        "WALLET_DRAINER": Kind(e.SCRIPT, 78, scam + phishing, "A script asks a wallet for the right to take everything."),
        "WALLET_LURE": Kind(e.TEXT, 52, scam + phishing, "The page wants a wallet connected for free coins."),
        "SENT_ELSEWHERE": Kind(e.STRUCTURE, 10, odd, "The page sends visitors to another site at once."),
        "SENT_TO_ODD_HOST": Kind(e.STRUCTURE, 50, odd, "The page sends visitors to a host that looks deceptive."),
        # Feeds
        "KNOWN_MALWARE": Kind(e.FEED, 96, malware, "The address is on a list of those that spread malware."),
        "KNOWN_PHISHING": Kind(e.FEED, 96, phishing, "The address is on a list of phishing."),
        "KNOWN_SCAM": Kind(e.FEED, 96, scam, "The address is on a list of scams."),
        "KNOWN_BAD": Kind(e.FEED, 92, odd, "The address is on a list of harmful ones."),
        "USES_KNOWN_BAD": Kind(e.FEED, 75, odd, "The page uses an address that is on a list of harmful ones."),
        # The model, whose opinion counts as its engine's weight allows
        "MODEL_IMPERSONATION": Kind(e.MODEL, 0, phishing, "The model takes the page for an imitation of somebody else's."),
        "MODEL_CREDENTIAL_THEFT": Kind(e.MODEL, 0, phishing, "The model thinks that the page is after passwords or cards."),
        "MODEL_MALWARE": Kind(e.MODEL, 0, malware, "The model thinks that the page spreads malware."),
        "MODEL_DECEPTION": Kind(e.MODEL, 0, scam, "The model thinks that the page deceives its visitors."),
        "MODEL_PRESSURE": Kind(e.MODEL, 0, scam, "The model sees pressure and threats."),
        "MODEL_HARMFUL_CONTENT": Kind(e.MODEL, 0, (Category.OTHER,), "The model sees content that does harm."),
        "MODEL_INSTRUCTED": Kind(e.MODEL, 0, odd, "The page speaks to language models."),
    }


KINDS = _kinds()


@strawberry.type(description="One thing that an engine found, without a word of the page.")
class ScanIndicator:
    """Named by a fixed vocabulary, which grows: clients do well not to mind names that they do not know."""

    engine: strawberry.Private[str]

    kind: str = strawberry.field(description="A name of a vocabulary that grows, such as BRAND_LOOKALIKE.")
    weight: int = strawberry.field(description="0..100: how sure a judge may be of harm who knows nothing else.")
    evidence: EvidenceType

    @field(description="The same as a sentence.")
    def sentence(self) -> str:
        """Ours; of a kind that is no longer in use, its name."""
        kind = KINDS.get(self.kind)
        return kind.sentence if kind else self.kind


@dataclass(frozen=True)
class Indicator:
    """One thing that an engine found: no text of the page, no address."""

    engine: str
    kind: str
    weight: int
    evidence: EvidenceType


sql = File("scans/indicator")
indicators_by_scan = sql.edge("edge_indicator", ScanIndicator)
indicators_by_engine = sql.edge("edge_indicator_of_engine", ScanIndicator)
insert_indicators = sql.exec("insert_indicator")
