"""Measures beside the score, from stored outputs: membership attacks, agreement, likelihoods, certified bounds."""

from lethe.evaluator.measures.agreement import fidelity, relative_unlearning_accuracy
from lethe.evaluator.measures.bounds import epsilon_lower_bound
from lethe.evaluator.measures.likelihood import LikelihoodAttack, klom, u_lira
from lethe.evaluator.measures.logistic import LogisticAttack, logistic_attack
from lethe.evaluator.measures.membership import SvcMia, simple_mia, svc_mia

__all__ = [
    "LikelihoodAttack",
    "LogisticAttack",
    "SvcMia",
    "epsilon_lower_bound",
    "fidelity",
    "klom",
    "logistic_attack",
    "relative_unlearning_accuracy",
    "simple_mia",
    "svc_mia",
    "u_lira",
]
