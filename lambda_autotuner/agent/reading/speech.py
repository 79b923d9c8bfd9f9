"""Whose words a message holds and in what mood: an instruction, a question, a quotation, a yes, a no.

Only an instruction in the person's own words can become a wish. What is quoted, reported, pasted
from a log, supposed, or left to a condition or a later time is none.
"""

from __future__ import annotations

import re

_QUOTE = re.compile(
    r"```.*?(?:```|$)|<[^<>]{1,40}>.*?</[^<>]{1,40}>|\"[^\"]{25,}\"|\u201c[^\u201d]{25,}\u201d|(?<!\w)'[^']{25,}'(?!\w)",
    re.DOTALL,
)
_SUPPOSED = re.compile(
    r"\b(?:what if|what would|what happens|would it|would we|would i|should (?:i|we|it|the|this)|could (?:i|we|it)\b|"
    r"suppose|hypothetical\w*|if (?:i|we|you|it|the|this|memory)\b|how much (?:would|could|do|does|will)|how (?:do|can|would|could|should) (?:i|we|one)\b|"
    r"is it (?:safe|possible|worth|ok|okay|a good idea)|do you think|does it make sense|can (?:i|we)\b|"
    r"why (?:did|do|does|was|were|should|not)|when (?:did|should)|whether|estimate|simulate|dry[- ]run|"
    r"what (?:memory|size|is|are|was|were|did|does|do|should|can|could|change|changes)|who\b|which\b|worth (?:it|moving|switching|changing)|was it|has it|have you|did (?:you|we|someone|anyone)|explain|tell me (?:how|why|what|whether|if))",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"\b(?:can|could|would|will) you (?:please |kindly |now |just |go ahead and )*", re.IGNORECASE
)
# `ok` and `sure` are not among them: they acknowledge as often as they agree.
_PLAIN_YES = re.compile(
    r"\W*(?:yes|y|yep|yeah|approved?|approve (?:it|that|this|the (?:plan|change|proposal))|confirm(?:ed)?|go ahead|do it|"
    r"please do|apply (?:it|that|this|the (?:plan|change|proposal))|make it so|proceed|ja|sí|si|oui)"
    r"(?:[\s,]+(?:please|thanks|thank you|yes|do it|go ahead|apply it|approve it|bitte|por favor|s'il te plaît))*[^\w?]*",
    re.IGNORECASE,
)
_REFUSAL = (
    r"(?:no+|nope|nah|n|nein|non|never ?mind|stop|forget (?:it|that|about it)|no thanks?|no thank you|leave it(?: as it is| alone)?|better not|rather not|"
    r"(?:please )?(?:(?:reject|cancel|discard|withdraw|drop|dismiss|decline|abort|scrap)(?:ed)?(?: (?:it|that|this|them|both|all|everything|all of them|(?:the|this|that|both|all)?\s*(?:plans?|changes?|proposals?|requests?)))?)|"
    r"(?:please )?(?:don'?t|do not|dont)(?: (?:do|apply|approve|change|execute|make|touch|run|carry out|proceed|want)(?: (?:it|that|this|them|anything|with (?:it|that)|the (?:plan|change|proposal)|it out))?)?|"
    r"i (?:don'?t|do not|dont) want (?:it|that|this)|i changed my mind|not (?:now|yet|today|that))"
)
_NO = re.compile(
    rf"\W*{_REFUSAL}(?:[\s,.;:!\u2013\u2014-]+{_REFUSAL})*\W*(?:(?:please|thanks|thank you|for now|bitte|merci)\W*)*",
    re.IGNORECASE,
)
_REJECTS_ALL = re.compile(r"\b(?:all|both|everything|them)\b", re.IGNORECASE)
_NO_BUT = re.compile(
    rf"\W*{_REFUSAL}[,.;:!\u2013\u2014-]+\s+(?:but |instead |rather |please |and )*(?=\w)",
    re.IGNORECASE,
)
# What follows these is somebody's text: shown to be read, explained or answered.
_REPORTED = re.compile(
    r"\b(?:says?|said|saying|wrote|writes|written|reads?|states?|stated|claims?|told|asks?|asked|message|ticket|runbook|e-?mail|comment|"
    r"description|tag|note|log|logs|output|document|wiki|summari[sz]e|translate|explain|rephrase|paraphrase|quote|quoting|example|"
    r"not for you|saw|schreibt|sagt|dit|dice)\b[^.?!:;]{0,40}:\s+",
    re.IGNORECASE,
)
_PASTED = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}|\b(?:ERROR|INFO|WARN|WARNING|DEBUG|FATAL|TRACE|REPORT RequestId|START RequestId)\b[\s:\]]"
)
_OTHERS = re.compile(
    r"\b(?:someone|somebody|anyone|anybody|they|he|she|people|the (?:team|vendor|boss|ticket|runbook|log|agent|customer)|an? \w+) "
    r"(?:should|must|might|could|wants?|wanted|asked|told|needs?|says?|said|suggests?|suggested|would)\b"
    r"|\b(?:was|were|stands?|is written|is mentioned) (?:in|on|from|what|written|mentioned|suggested)\b|\bnote to self\b|\bnot for you\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"\b(?:if|unless|when(?:ever)?|once|until|as soon as|in case|provided(?: that)?(?!\s+concurr)|assuming|tomorrow|tonight|later|next (?:week|month|monday|sprint|time)|"
    r"after (?:the|that|my|our|next|tomorrow|lunch|hours|midnight)|in \d+ (?:minutes?|hours?|days?|weeks?)|"
    r"at (?:\d{1,2}:\d{2}|\d{1,2} ?(?:am|pm)|midnight|noon)|only (?:on|in|for) (?:the )?(?:staging|test|dev|other|prod\w*) account)\b",
    re.IGNORECASE,
)

# `X can go to 256 MB`, `512 MB is enough for X`: what may or ought to be, said and not asked.
_HELD_POSSIBLE = re.compile(
    r"\b(?:can|could|may|might|should|must|ought to|needs?|has to|have to|deserves?|would (?:be|do|run|work|fit)|will do|gets? by|"
    r"(?:is|are|runs?|works?) (?:just |perfectly |quite |more than )?(?:fine|ok|okay|good|safe|happy|enough|sufficient|plenty|better(?: off)?))\b",
    re.IGNORECASE,
)
_HELD_IMPOSSIBLE = re.compile(
    r"n't\b|\b(?:cannot|cant|not|never|no|nor|hardly|without)\b", re.IGNORECASE
)
_DO_SO = re.compile(
    r"\W*(?:(?:so|and|then|ok(?:ay)?|yes|please|just|now|kindly|let'?s) ,?)*"
    r"(?:go ahead(?: and (?:do|apply|change|set|make) (?:it|that|this|so|the change))?|go for it|do (?:it|that|this|so|the change)|please do|make (?:it|that) (?:so|happen)|"
    r"(?:apply|execute|implement|roll out) (?:it|that|this|the change)|(?:please )?apply|proceed|ship it|get it done|carry (?:it|that) out)"
    r"(?: (?:please|now|then|thanks|thank you|right away|for me|today))*\s*[.!]*\s*",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?<=[.!?;:])\s+|,\s+|\s+[\u2013\u2014-]+\s+|\n+|\s+(?=(?:so|and) (?:please |just |now )*(?:do|go|make|apply|proceed|ship)\b)"
)


def is_deferred(text: str) -> bool:
    """Whether an instruction hangs on a condition or a later time, which nobody here waits for."""
    return bool(_LATER.search(text))


def agrees_plainly(text: str) -> bool:
    """Whether a message is a yes and nothing else; `ok` and `sounds good` are no decision."""
    return bool(_PLAIN_YES.fullmatch(text.replace("\u2019", "'")))


def unquoted(text: str) -> str:
    """`text` without quoted passages and code blocks."""
    return _QUOTE.sub(" ", text)


def own_words(text: str) -> str:
    """The person's own words: without quotations, reported speech and pasted log lines."""
    own = _QUOTE.sub(" ", text)
    if reported := _REPORTED.search(own):
        own = own[: reported.end()]
    if pasted := _PASTED.search(own):
        own = own[: pasted.start()]
    return own


def is_refusal(text: str) -> bool:
    """Whether a message is a no and nothing else."""
    return bool(_NO.fullmatch(text.strip()))


def refuses_all(text: str) -> bool:
    """Whether a no means everything that waits."""
    return bool(_REJECTS_ALL.search(text))


def after_refusal(text: str) -> str | None:
    """What follows a no that begins a message: `no, make it 512`; None where none begins it."""
    match = _NO_BUT.match(text)
    return text[match.end() :] if match else None


def instructing(text: str) -> str:
    """The sentences that instruct, joined; a request in the form `could you ...` is one."""
    parts = re.split(r"(?<=[.!?;])\s+|\n+|,?\s+\b(?:and then|then)\b\s+", text)
    kept = []
    for part in parts:
        polite = _POLITE.sub("please ", part)
        if _SUPPOSED.search(polite) or _OTHERS.search(polite):
            continue
        if (
            part.rstrip().endswith("?")
            and polite == part
            and not re.match(r"\W*please\b", part, re.IGNORECASE)
        ):
            continue
        kept.append(polite)
    return ". ".join(kept)


def stated_then_told(text: str) -> str | None:
    """The statement that the message's last words say to act on; None where it has none.

    `X can go to 256 MB, do it` tells to do what was said to be possible. The statement has to be
    one: what is asked, supposed, denied, or said by others is not acted on.
    """
    clauses = [part for part in _CLAUSE.split(text.replace("\u2019", "'").strip()) if part]
    last = _POLITE.sub("please ", clauses[-1]) if clauses else ""
    if last != (clauses or [""])[-1]:
        last = last.rstrip("? ")
    if not _DO_SO.fullmatch(last):
        return None
    for clause in reversed(clauses[:-1]):
        if clause.rstrip().endswith("?") or _SUPPOSED.search(clause) or _OTHERS.search(clause):
            return None
        if _HELD_IMPOSSIBLE.search(clause):
            return None
        if held := _HELD_POSSIBLE.search(clause):
            # `can X go to 256` asks, whether or not it ends with a question mark.
            return clause if held.start() > len(clause) - len(clause.lstrip(" ,.")) else None
    return None
