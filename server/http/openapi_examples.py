"""An example of each document of the API, by the name of its schema; a test validates them."""

from typing import Any

from pydantic import BaseModel

from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec, QuotasSpec

_AT, _LATER = "2026-03-01T12:30:00Z", "2026-04-01T00:00:00Z"
_SUBMISSION_ID, _TEAM_ID = "7d3f7d6e-4a39-4c58-9f0a-0d7a0c2f7b11", "c0f5b8f4-6a0e-4bb1-8a4d-2f2f3f1d9a55"
_OTHER_ID = "5b1b2b7c-0a53-4a42-8d55-7f6f0c8a3e90"
_TOKEN = {"id": _OTHER_ID, "name": "laptop", "expires_at": _LATER}
_NETWORK = {
    "name": "resnet-small",
    "options": {},
    "source": "",
    "weights": 89226,
    "layers": ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"],
}
_TERMS = {
    "text": "I publish no photographs.",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_INTERVAL = {"low": 0.118, "high": 0.153}
_ROW = {
    "slug": "demo", "title": "Forget these faces", "summary": "Make a small age classifier forget a few people.",
    "phase": "open", "benchmark": False, "teams": 12, "submissions": 48,
}  # fmt: skip
_CHANGE = {"submission": _OTHER_ID, "difference": 0.0021, "verdict": "chance"}
_SUBMISSION: dict[str, Any] = {
    "id": _SUBMISSION_ID, "competition": "demo", "team": "The Forgetful", "evaluation": "public",
    "filename": "noise_finetune.py", "method": "Noisy fine-tuning", "note": "less noise than before",
    "link": "https://example.org/paper", "licence": None, "notes": [],
    "state": "scored", "owner": None, "error": None, "runs_done": 32, "runs_total": 32, "queue_position": None,
    "eta_s": None, "score": 0.136, "interval": _INTERVAL, "is_best": True, "rank": 1, "against_best": _CHANGE,
    "against_last": _CHANGE, "metric": None, "selected": False, "final": None, "disqualified": None,
    "created_at": "2026-03-01T12:24:10Z", "finished_at": _AT,
}  # fmt: skip
_QUOTA = {
    "submissions_left_today": 4, "submissions_left": None, "attempts_left_today": 49, "in_flight": 1,
    "in_flight_limit": 1, "resets_at": "2026-03-02T00:00:00Z",
}  # fmt: skip
_LINE = {
    "rank": 1, "team": "The Forgetful", "score": 0.136, "interval": _INTERVAL, "entries": 3, "last_scored_at": _AT,
    "reference": None, "public_rank": None, "method": "Noisy fine-tuning", "link": "https://example.org/paper",
}  # fmt: skip
_CEILING = _LINE | {
    "rank": None, "team": "Ceiling: other oracles", "score": 0.187, "interval": {"low": 0.17, "high": 0.204},
    "entries": 0, "last_scored_at": None, "reference": "ceiling", "method": None, "link": None,
}  # fmt: skip
_EVENT = {
    "id": _OTHER_ID, "created_at": _AT, "actor": "cli:root", "action": "competition.open", "target": "demo",
    "details": {},
}  # fmt: skip
_WEBHOOK = {"id": _OTHER_ID, "url": "https://example.org/hook", "events": ["scored", "revealed"], "created_at": _AT}
_DELIVERY = {
    "id": _OTHER_ID, "event": "revealed", "created_at": _AT, "attempts": 1, "tried_at": _AT, "delivered_at": _AT,
    "retry_at": None, "status": 200, "answer": "ok", "problem": "",
    "payload": {"type": "competition.revealed", "timestamp": _AT, "data": {"competition": "demo"}},
}  # fmt: skip
_RECEIPT = {
    "source_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "metric_version": 1,
    "evaluation": "public", "runs": 32, "oracles": 32, "data_mark": "0f6d…", "oracles_mark": "b2c1…",
}  # fmt: skip


_PRACTICE = {
    "sha256": "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b",
    "size_bytes": 2978552,
    "oracles": 32,
}


def _defaults(*specs: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of all limits in `specs` that participants see."""
    return {
        name: kind.model_fields[name].default
        for kind in specs
        for name, limit in limits_of(kind).items()
        if not limit.hidden
    }


EXAMPLES: dict[str, Any] = {
    "NewUser": {"username": "ann", "email": "ann@example.org", "password": "correct horse battery"},
    "UserCreated": {"username": "ann", "token": "lethe_5Jc…"},
    "Me": {"username": "ann", "email": "ann@example.org", "is_operator": False, "created_at": _AT,
        "email_confirmed": True, "notices": ["ended", "announcement"], "daily_digest": True},
    "MeChange": {"email": "ann@example.com", "password": "correct horse battery"},
    "PasswordProof": {"password": "correct horse battery"},
    "ResetRequest": {"account": "ann@example.org"},
    "PasswordReset": {"token": "Vd3…", "new_password": "staple battery horse", "end_access": True},
    "Confirmation": {"token": "Vd3…"},
    "PasswordChange": {"password": "correct horse battery", "new_password": "staple battery horse"},
    "Login": {"username": "ann", "password": "correct horse battery"},
    "SessionView": {"username": "ann", "csrf_token": "2f7c…"},
    "NewDevice": {"name": "lethe on laptop"},
    "DeviceCreated": {
        "device_code": "lethed_9Rt…", "user_code": "WDJB-MJHT",
        "verification_uri": "https://lethe.example.org/device",
        "verification_uri_complete": "https://lethe.example.org/device?code=WDJB-MJHT",
        "expires_in": 600, "interval": 3,
    },
    "DeviceCode": {"device_code": "lethed_9Rt…"},
    "DeviceToken": {"username": "ann"} | _TOKEN | {"token": "lethe_5Jc…"},
    "NewToken": {"name": "laptop", "expires_in_days": 30},
    "TokenCreated": _TOKEN | {"token": "lethe_5Jc…"},
    "Page_TokenRow_": {"items": [_TOKEN | {"created_at": _AT, "last_used_at": _AT}], "next_cursor": None},
    "CompetitionRow": _ROW,
    "CompetitionFacts": _ROW
    | {
        "description": "A residual network has learnt to tell age groups …", "opened_at": _AT, "closed_at": None,
        "public_starts_at": _AT, "public_ends_at": _LATER, "final_ends_at": None, "revealed_at": None,
        "edited_at": None,
        "photographs_deleted_at": None,
        "final_selections": 2, "metric": None, "architecture": "resnet-small", "network": _NETWORK,
        "image_size": 32, "batch_size": 64, "runs": 32, "looks": [],
        "limits": _defaults(LimitsSpec, DependenciesSpec),
        "quotas": _defaults(QuotasSpec),
        "counts": {"retain": 660, "forget": 84, "validation": 48, "classes": 10},
        "practice_counts": {"retain": 258, "forget": 24, "validation": 24, "classes": 10},
        "practice": _PRACTICE,
        "environment": {"python": "3.11.2", "torch": "2.9.0"}, "extra_parameters": ["device", "seed"],
        "outputs_after_reveal": True, "methods_shown": "after_reveal", "benchmark_started_at": None,
        "benchmark_ended_at": None, "terms": _TERMS, "consent": "", "retention": "",
    },
    "TermsView": _TERMS,
    "NetworkView": _NETWORK,
    "NewAcceptance": {"sha256": _TERMS["sha256"]},
    "TermsAccepted": {"sha256": _TERMS["sha256"], "accepted_at": _AT},
    "PracticeView": _PRACTICE,
    "NewAnnouncement": {"title": "A day more", "body": "Uploads end on Tuesday."},
    "AnnouncementView": {"title": "A day more", "body": "Uploads end on Tuesday.", "created_at": _AT},
    "NewEnd": {"until": "2026-04-01T00:00:00+02:00"},
    "Reveal": {"unfinished": False},
    "Disqualification": {"reason": "two accounts of one person"},
    "NewTeam": {"name": "The Forgetful"},
    "TeamView": {
        "id": _TEAM_ID, "competition": "demo", "name": "The Forgetful", "members": ["ann", "dora"], "size_limit": 5,
        "is_fixed": True, "invites": [{"id": _OTHER_ID, "created_at": _AT, "expires_at": _LATER}],
    },
    "InviteCreated": {"id": _OTHER_ID, "code": "lethet_8sd…", "expires_at": _LATER},
    "SubmissionView": _SUBMISSION,
    "UploadAnswer": _SUBMISSION
    | {
        "state": "queued", "runs_done": 0, "queue_position": 1, "score": None, "interval": None, "is_best": False,
        "rank": None, "against_best": None, "against_last": None, "finished_at": None, "quota": _QUOTA,
    },
    "Description": {
        "method": "Noisy fine-tuning", "note": "less noise than before", "link": "https://example.org/paper",
    },
    "Publication": {"licence": "MIT"},
    "Page_PublishedSource_": {
        "items": [
            {
                "id": _SUBMISSION_ID, "team": "The Forgetful", "evaluation": "public", "filename": "noise_finetune.py",
                "method": "Noisy fine-tuning", "link": "https://example.org/paper", "licence": "MIT",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            }
        ],
        "next_cursor": None,
    },
    "Page_SubmissionView_": {"items": [_SUBMISSION], "next_cursor": None},
    "ComparisonView": {
        "before": _OTHER_ID, "after": _SUBMISSION_ID, "difference": 0.0021, "verdict": "chance", "interval": None,
    },
    "QuotaView": _QUOTA,
    "SubmissionLog": {
        "stdout": "epoch 1: 0.93\n", "stderr": "", "traceback": "", "packages": ["einops==0.8.1"], "advice": [],
        "wall_s": 2.4, "cpu_s": 2.3, "peak_memory_bytes": 411041792,
        "wall_limit_s": 30.0, "memory_limit_bytes": 2147483648,
        "hidden": {"wall_s": 6.6, "wall_limit_s": 30.0, "peak_memory_bytes": 419430400},
        "curve": {
            "images": 32,
            "points": [
                {"step": 0, "retain": 0.97, "forget": 0.97, "test": 0.34},
                {"step": 4, "retain": 0.97, "forget": 0.75, "test": 0.34},
                {"step": 10, "retain": 0.94, "forget": 0.5, "test": 0.31},
            ],
        },
        "practice": {
            "rule": "exact", "runs": 8, "oracles": 32, "score": 0.4113, "low": 0.3391, "high": 0.4835,
            "forgetting_quality": 0.4267, "retain_ratio": 0.9728, "test_ratio": 0.9909, "trained_s": None,
            "epsilon": [0.41327, 1.02651], "margins": [2.71828, -0.57721], "oracle_margins": [1.61803, -0.69314],
        },
        "practice_missing": "",
    },
    "MeasuresView": {
        "is_pending": False, "is_asked": False,
        "measures": [
            {
                "key": "u_lira", "title": "Likelihood ratio attack, accuracy", "symbol": "U-LiRA",
                "question": "Can the runs be told from oracles?", "unit": "", "best": "oracles",
                "source": "Hayes et al. 2024", "value": 0.71, "low": 0.66, "high": 0.76, "oracles": 0.52,
                "untouched": 1.0, "absent": "",
            }
        ],
    },
    "ReceiptView": {"public": _RECEIPT, "final": None},
    "Leaderboard": {
        "competition": "demo", "title": "Forget these faces", "view": "public", "updated_at": _AT, "frozen": False,
        "teams": 1, "next_offset": None, "rows": [_CEILING, _LINE],
    },
    "NewWebhook": {"url": "https://example.org/hook", "events": ["scored", "revealed"]},
    "WebhookView": _WEBHOOK,
    "WebhookCreated": _WEBHOOK | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "DeliveryView": _DELIVERY,
    "Page_DeliveryView_": {"items": [_DELIVERY], "next_cursor": None},
    "Page_AuditRow_": {"items": [_EVENT], "next_cursor": None},
}  # fmt: skip
