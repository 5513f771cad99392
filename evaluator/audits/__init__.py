"""Other measures from the same stored outputs: membership attacks, agreement, likelihoods and certified bounds."""

from evaluator.audits.agreement import fidelity, relative_unlearning_accuracy
from evaluator.audits.bounds import epsilon_lower_bound
from evaluator.audits.likelihood import LikelihoodAttack, klom, u_lira
from evaluator.audits.logistic import LogisticAttack, logistic_attack
from evaluator.audits.membership import SvcMia, simple_mia, svc_mia

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
