"""Oracles are audited as if each were a run, once; their records and those of runs are read back as arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load, save

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.audits import ORIGINAL, Audits, bank_audit_key, load_audits
from lethe.evaluator.artifacts.oracles import read_identity, read_record, trained_indices
from lethe.evaluator.banks.audits import BankAudits, audit_bank, audit_original
from lethe.evaluator.banks.seeding import fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.banks.verification import prunable_checkpoints, prune_bank, verify_bank
from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity, AuditRecord, audit_plan, audited_oracles
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import AuditsSpec, EvaluationSpec
from lethe.evaluator.inference.audit_order import audit_order
from lethe.evaluator.inference.service import InferenceService
from tests.unit.evaluator.banks.conftest import SPEC
