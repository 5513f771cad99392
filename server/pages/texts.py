"""What the pages say, as far as Python chooses the words: tables by page, in English.

Prose that stands once is in the templates, and scripts find their words in attributes there. What an error means is
said beside the error, why a submission ended in `evaluator.contract.fault_texts`, what limits are called in
`evaluator.contract.specification`. Nouns that are counted stand where they are counted. Words in braces are filled in.
"""

from evaluator.contract.states import Evaluation, Owner, SubmissionState
from server.competitions.phases import Phase
from server.leaderboard.queries import BoardOrder

# Competitions

PHASES = {
    Phase.DRAFT: "Not open yet",
    Phase.PRACTICE: "Not started yet",
    Phase.OPEN: "Open",
    Phase.PAUSED: "Paused",
    Phase.CLOSED: "Closed",
    Phase.FINAL: "Final evaluation",
    Phase.REVEALED: "Final results",
}

UPLOADS_FROM = "Uploads from"
UPLOADS_UNTIL = "Uploads until"
FINAL_RESULTS = "Final results"

TEAM_SIZE = "Team"
TEAM_SIZE_VALUE = "{people} at most"
SELECTED = "Selected for the final"
SELECTED_VALUE = "{count} a team"

RETAIN_SET = "Retain set"
FORGET_SET = "Forget set"
VALIDATION_SET = "Validation set"
CLASSES = "Classes"
CLASSES_VALUE = "{count} age groups"
IMAGE = "Image"
IMAGE_VALUE = "3 × {size} × {size}, float32, 0 to 255"
BATCH_SIZE = "Batch size"
NETWORK = "Network"

NETWORK_ACCESS = "Network access"
NO_NETWORK = "none"

NO_CONTACT_SHEET = "No contact sheet"
CONTACT_SHEET_MISSING = "The contact sheet of {slug} is not in the artifact store."

# Leaderboards

COLUMNS = {
    BoardOrder.RANK: "Rank",
    BoardOrder.TEAM: "Team",
    BoardOrder.SCORE: "Score",
    BoardOrder.ENTRIES: "Entries",
    BoardOrder.LAST: "Last entry",
}

INTERVAL = "{low} to {high}"
DRAWN = "{score}, 95% interval {low} to {high}"
BESIDE = "; beside {others}"
REFERENCE = "{name} {score}"
AND = " and "

FIRST_SCORE = "First score {score} on {when}"
RAISED_ONCE = "; raised once, to {score} on {when}"
RAISED = "; raised {times} times, to {score} on {when}"

NEW_SIGN = "new"
SAME_SIGN = "–"
UP_SIGN = "▲ {places}"
DOWN_SIGN = "▼ {places}"
NEW_TEAM = "not on the board yesterday"
SAME_PLACE = "no change {against}"
MOVED_UP = "{places} up {against}"
MOVED_DOWN = "{places} down {against}"
SINCE_YESTERDAY = "since yesterday"
AGAINST_PUBLIC = "against the public board"

FOUND = "{teams} found"
PAGE = "{first:,}–{last:,} of {teams}"
EMPTY_PAGE = "Nothing on this page"

# Submissions

HEADLINES = {
    SubmissionState.QUEUED: "Waiting for a worker",
    SubmissionState.CHECKING: "Being checked on practice data",
    SubmissionState.RUNNING: "Running",
    SubmissionState.SCORING: "Being scored",
    SubmissionState.SCORED: "Scored",
    SubmissionState.FAILED: "Ended without a score",
    SubmissionState.CANCELLED: "Cancelled",
}

STAGES = {
    SubmissionState.QUEUED: ("Accepted", "The file passed the static check and is stored."),
    SubmissionState.CHECKING: ("Check", "One run on public practice data, in the same sandbox."),
    SubmissionState.RUNNING: ("Runs", "The hidden photographs, one process and one seed a run."),
    SubmissionState.SCORING: ("Scoring", "The runs are compared with the oracles."),
    SubmissionState.SCORED: ("Score", "On the leaderboard."),
}

OWNERS = {
    Owner.PARTICIPANT: "",
    Owner.PLATFORM: "This was not the file's fault.",
    Owner.HOST: "The host ended it.",
}
CHARGED = "It counts as one of your submissions."
NOT_CHARGED = "It costs no quota."

NEXT_IN_QUEUE = "next in the queue"
AHEAD = "{submissions} ahead in the queue"
TO_THE_SCORE = "about {duration} to the score"

SCORE_DRAWN = "Score {score}, 95% interval {low} to {high}"
OUTPUTS = {"traceback": "Traceback", "stdout": "Standard output", "stderr": "Standard error"}
WALL_TIME = "Wall time"
PROCESSOR_TIME = "Processor time"
PEAK_MEMORY = "Peak memory"

RECEIPTS = {Evaluation.PUBLIC: "Public evaluation", Evaluation.FINAL: "Final evaluation"}
EVIDENCE = {Evaluation.PUBLIC: "How the score came about", Evaluation.FINAL: "How the final score came about"}
FORGETTING = "Forgetting quality"
RETAIN_RATIO = "Retain accuracy over the oracles'"
TEST_RATIO = "Test accuracy over the oracles'"
NO_SUCH_PLOT = "No such plot"
PLOT_MISSING = "There is no such plot, or not yet."

# Uploads

CAN_BE_SUBMITTED = "The file can be submitted."
NEEDS = " It needs {packages}."
TOO_MANY_CHECKS = "There were too many checks."
LEFT_TODAY = "{count} left today"
LEFT_IN_ALL = "{count} left in all"
NO_UPLOADS = {
    Phase.DRAFT: "Uploads have not started.",
    Phase.PRACTICE: "Uploads have not started.",
    Phase.PAUSED: "The host has paused the competition, which takes no uploads for a while.",
    Phase.CLOSED: "The competition is closed. The final evaluation comes next.",
    Phase.FINAL: "The competition is closed. The final evaluation is under way.",
    Phase.REVEALED: "The competition is over.",
}
"""Phases in which nothing can be uploaded, and why."""

# Analysis

NO_ANALYSIS = "No analysis yet"
ANALYSIS_HIDDEN = "The host reveals at the end what scores are made of. Until then only hosts see this."
IS_BETTER = "{better} is significantly better than {worse}."
MAY_BE_CHANCE = "The difference may be chance: the interval holds zero."
DIFFERENCE = "Difference of the scores {difference}, paired 95% interval {low} to {high}"

# Teams

NO_TEAM = "You have no team in {slug} yet."

# Hosts

ACTS = {
    "resume": ("Take uploads", "Ends a pause or an early close."),
    "pause": ("Pause", "Takes no uploads for a while; the queue goes on."),
    "close": ("Close", "Takes no more uploads and freezes the selections."),
    "reveal": ("Reveal", "Shows the final board and the metric to everybody. It cannot be taken back."),
}
"""What a host may do to the whole competition: the button, and what it does."""

ALL_STATES = "All"
PUBLISH = "Publish it when its banks are full: lethe admin competition open {slug}"
FINALS = "Final evaluation of {submissions} of {teams} ({runs:,} runs{cost}): lethe admin competition finals {slug}"
FINALS_COST = ", about {duration} of one worker"

NO_SUCH_ACT = "There is no such act."
NOT_IN_COMPETITION = "There is no such submission in this competition."
SAY_WHY = "Say why: the team sees the reason."
SAY_SURE = "A reveal cannot be taken back: tick the box beside the button to say that you mean it."
SAY_WHEN = "Give the new end as a date and a time in UTC."
TITLE_NEEDED = "An announcement needs a title of 1 to {most} characters."

# Forms

NOTICES = {
    "done": "Done.",
    "registered": "Welcome. Your account is ready.",
    "password": "Your password is changed. Other sessions and all tokens have ended.",
    "token-deleted": "The token is deleted; it stopped working at once.",
    "joined": "You have joined the team.",
    "team-made": "The team is made.",
    "renamed": "The team has its new name.",
    "left": "You have left the team.",
    "invite-deleted": "The invitation is deleted.",
    "cancelled": "The submission is cancelled.",
    "known": "Your team has sent this file before. This is that submission; it cost nothing.",
    "selected": "Selected for the final evaluation.",
    "unselected": "No longer selected for the final evaluation.",
}
"""All that a page may say after a form was sent; the address names one of them, so no link can make a page say more."""

WRONG_FIELD = "{field}: {about}."
NOT_VALID = "not valid"
FORM_NOT_VALID = "The form is not valid."
