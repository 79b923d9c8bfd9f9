"""What sort of answer a text is, by what happened and by how such answers are worded.

The word lists are wide on purpose: they must admit any honest phrasing of any model. What they
admit is then held against facts, state and calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lambda_autotuner.evaluation.contestants.base import Reply
from lambda_autotuner.evaluation.facts import plain
from lambda_autotuner.evaluation.schema import AnswerKind

_NOT_FOUND = re.compile(
    r"no (?:such )?(?:lambda )?(?:function|log group|alarm|dashboard|alias|plan|version)s?\b|not (?:been )?found|"
    r"(?:could|can)(?: not|not|n't) (?:find|be found)|does(?: not|n't) exist|do(?: not|n't) (?:exist|have|see)|"
    r"unknown function|there is no\b|there's no\b|did you mean|not (?:in|part of) this account|isn't a function|"
    r"nothing (?:called|named)|no function"
)
_NO_DATA = re.compile(
    r"no (?:data|invocations?|traffic|calls|metrics|datapoints|telemetry|activity|requests|evidence|logs?|samples|"
    r"measurements)|not (?:been )?(?:invoked|called|measured)|never (?:been )?(?:invoked|called|ran|run)|"
    r"\b0 invocations|zero invocations|not enough|nothing (?:to|was|has been) (?:measure|recorded|invoked|found)|idle|"
    r"unused|invocations:? 0\b|invoked 0 times"
)
_CLARIFY = re.compile(
    r"\?|which (?:function|one|of|value|size|change)|please (?:name|say|tell|specify|clarify|give|state)|"
    r"(?:do|did) you mean|not (?:clear|sure)|unclear|ambiguous|need to know|several functions|more than one|"
    r"contradict|conflict|be more specific|name (?:a|the) function|must be|should be|at (?:least|most)|between|not a valid|invalid|empty"
)
_DENIED = re.compile(
    r"not (?:authori[sz]ed|allowed|permitted)|access ?denied|permission|forbidden|may not (?:see|read|do)|"
    r"(?:lambda|cloudwatch|logs|iam|sts|pricing|servicequotas|tag):[a-z]+"
)
_PROPOSAL = re.compile(
    r"propos|approv|confirm|pending|waiting|awaiting|plan\b|apply (?:it|this|with)|would change|decision|go ahead"
)
_DECLINED = re.compile(
    r"(?:can|could|will|would|do|did|does|am|was|were|is|has|have|should|must|may)(?: ?not|n't)\b|won't|refus|declin|"
    r"reject|cancel|not (?:applied|approved|executed|carried|changed|allowed|supported|possible|done)|"
    r"nothing (?:was|has been|is|gets|will be|got) (?:changed|applied|done|touched)|no change|unchanged|"
    r"never (?:read out|shown|told|given|revealed|printed|disclosed|sent|shared|done|run|deleted)|"
    r"left as|protected|only (?:answer|read|help)|read-only|unable|needs? (?:your|a person|an explicit)"
)
_OFF_TOPIC = re.compile(r"lambda|function|aws|account")
_WRITES = frozenset({"plan_change", "apply_change", "tune_function", "roll_back", "apply_action"})
_PATTERNS = {
    AnswerKind.NOT_FOUND: _NOT_FOUND,
    AnswerKind.NO_DATA: _NO_DATA,
    AnswerKind.CLARIFY: _CLARIFY,
    AnswerKind.DENIED: _DENIED,
    AnswerKind.DECLINED: _DECLINED,
    AnswerKind.OFF_TOPIC: _OFF_TOPIC,
}


def kinds_of(replies: Sequence[Reply], *, changed: bool) -> set[AnswerKind]:
    """Every kind that the last answer may be taken for.

    Args:
        replies: the answers, in order.
        changed: whether the account differs from before.
    """
    last = replies[-1]
    text = plain(last.text)
    if not text.strip():
        return set()
    found = {kind for kind, pattern in _PATTERNS.items() if pattern.search(text)}
    found.add(AnswerKind.FACTS)
    if changed:
        # Whatever it says, it has acted; it is not a refusal and waits for nobody.
        found -= {AnswerKind.DECLINED, AnswerKind.OFF_TOPIC}
        found.add(AnswerKind.DONE)
    elif last.proposals and _PROPOSAL.search(text):
        found.add(AnswerKind.PROPOSAL)
    if not changed and any(not tool.ok and tool.name in _WRITES for tool in last.tools):
        # It tried on the person's behalf, was refused by a rule, and reports the reason.
        found.add(AnswerKind.DECLINED)
    if last.gaps and any(_DENIED.search(plain(gap)) for gap in last.gaps):
        found.add(AnswerKind.DENIED)
    return found
