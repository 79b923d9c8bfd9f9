"""What a question of the suite is. Unknown keys are refused, so that a typo cannot weaken one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

SCHEMA_VERSION = 1
DEFAULT_SEED = 7

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{1,63}$")]
Memory = Annotated[int, Field(ge=128, le=10_240)]


class Strict(BaseModel):
    """Frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Difficulty(StrEnum):
    """How many steps lie between the question and its answer."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"

    @property
    def level(self) -> int:
        """1: one look-up. 2: a window, a filter or two look-ups. 3: several, or an adversary."""
        return {"easy": 1, "medium": 2, "hard": 3}[self.value]


class AnswerKind(StrEnum):
    """What sort of answer is right."""

    FACTS = "facts"
    """The answer states what was asked."""
    NOT_FOUND = "not_found"
    """What was named is not there; the answer says so."""
    NO_DATA = "no_data"
    """There is nothing measured; the answer says so and gives no figure."""
    CLARIFY = "clarify"
    """The question cannot be answered as it stands; the answer asks or says what is missing."""
    DENIED = "denied"
    """A permission is missing; the answer names the IAM action."""
    PROPOSAL = "proposal"
    """A change is proposed and waits for a person."""
    DONE = "done"
    """A change was approved and carried out."""
    DECLINED = "declined"
    """The answer says that it does not do this, or that the person said no."""
    OFF_TOPIC = "off_topic"
    """The question is not about the account; the answer says what it can do instead."""


class Turn(Strict):
    """One message of a person, and how that person decides on what is proposed."""

    ask: str = Field(min_length=0, max_length=200_000)
    repeat: int = Field(1, ge=1, le=100_000)
    """The text is sent this many times over: long input without a long file."""
    approve: bool | None = None
    """True and False decide at once; None leaves a proposal waiting."""


class FactSpec(Strict):
    """One thing the answer must state; what it is, the oracle computes at run time."""

    oracle: Identifier
    args: dict[str, JsonValue] = {}
    near: tuple[str, ...] = ()
    """One of these words must stand close to the value."""
    tolerance_pct: float = Field(2.0, ge=0, le=50)
    tolerance_abs: float = Field(0.0, ge=0)
    turn: int = Field(-1, ge=-1)
    """Which turn's answer must state it; -1 is the last one."""


class SetupCall(Strict):
    """A call to the account, made as its administrator before the question is asked."""

    service: str
    operation: str
    parameters: dict[str, Any] = {}


class StateChange(Strict):
    """What the account must look like afterwards, where it may differ from before."""

    function: str
    memory_mb: Memory | None = None
    timeout_seconds: int | None = Field(None, ge=1, le=900)
    architecture: Literal["x86_64", "arm64"] | None = None
    reserved_concurrency: int | Literal["none"] | None = None
    ephemeral_mb: int | None = Field(None, ge=512, le=10_240)
    recommended: bool = False
    """The memory size is the engine's to choose; it must differ and cost no more, by the truth."""
    optional: bool = False
    """The account may also stay as it was (a change that the traffic did not bear out)."""

    @model_validator(mode="after")
    def _says_something(self) -> StateChange:
        stated = self.model_dump(exclude={"function", "optional"}, exclude_defaults=True)
        if not stated:
            raise ValueError("says neither what changes nor `recommended: true`")
        return self


class ToolsSpec(Strict):
    """Which tools the agent must or must not have called (any name of an alternative)."""

    must: tuple[str, ...] = ()
    """Each entry is one name, or several alternatives joined by `|`."""
    must_not: tuple[str, ...] = ()


class Bait(StrEnum):
    """The agents that a good question catches."""

    NULL = "null"
    REFUSE = "refuse"
    DUMP = "dump"
    RANDOM = "random"
    ECHO = "echo"
    YES = "yes"
    GUESS = "guess"


class Question(Strict):
    """One item of the suite."""

    id: Identifier
    category: Identifier
    group: Identifier
    """Paraphrases share a group; they are exchanged together in a comparison."""
    difficulty: Difficulty
    held_out: bool = False
    """Its wording is kept from whoever writes the planner's own examples."""
    seed: int = Field(DEFAULT_SEED, ge=0)
    faults: tuple[dict[str, JsonValue], ...] = ()
    permissions: Identifier = "administrator"
    setup: tuple[SetupCall, ...] = ()
    turns: tuple[Turn, ...] = Field(min_length=1)
    answer: tuple[AnswerKind, ...] = (AnswerKind.FACTS,)
    facts: tuple[FactSpec, ...] = ()
    must_say: tuple[str, ...] = ()
    """Each is a set of alternatives joined by `|`; one of them must appear in the last answer."""
    must_not_say: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    """Texts that must never come out, neither in an answer nor in a call."""
    tools: ToolsSpec = ToolsSpec()
    state: Literal["unchanged"] | tuple[StateChange, ...] = "unchanged"
    max_answer_chars: int = Field(4_000, ge=200)
    baits: tuple[Bait, ...] = tuple(Bait)
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        """`ask: text` for a single turn, and one answer kind without a list."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if "ask" in data:
            if "turns" in data:
                raise ValueError("has both `ask` and `turns`")
            data["turns"] = [{"ask": data.pop("ask")}]
            if "approve" in data:
                data["turns"][0]["approve"] = data.pop("approve")
        if isinstance(data.get("answer"), str):
            data["answer"] = [data["answer"]]
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Question:
        for fact in self.facts:
            if fact.turn >= len(self.turns):
                raise ValueError(f"fact {fact.oracle} names turn {fact.turn} of {len(self.turns)}")
        if AnswerKind.DONE in self.answer and self.state == "unchanged":
            raise ValueError("`answer: done` needs the expected `state`")
        if AnswerKind.FACTS in self.answer and not (self.facts or self.must_say):
            raise ValueError("`answer: facts` needs `facts` or `must_say`")
        return self

    @property
    def safety(self) -> bool:
        """Whether the question is there to provoke something unsafe."""
        return self.category == "safety_and_injection"


class QuestionFile(Strict):
    """One YAML file: a category, what it is about, and its questions."""

    version: Literal[1]
    category: Identifier
    about: str = Field(min_length=10)
    questions: tuple[Question, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _hand_down_category(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("questions"), list):
            category = data.get("category")
            questions = [
                {"category": category, **item} if isinstance(item, dict) else item
                for item in data["questions"]
            ]
            data = {**data, "questions": questions}
        return data
