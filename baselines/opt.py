"""OPT: leaves out the entries on which the two gradients contradict each other most, until the step helps both
sets; GradMask or GradFocus first weigh both gradients.

"Improving unlearning with model updates probably aligned with gradients", on NG+ (Kurmanji et al. 2023), on
random labels (Golatkar et al. 2020) or on SCRUB (Kurmanji et al. 2023).
"""

import copy

import torch
from torch.nn import functional as F

BASE = "ng_plus"  # or "srl", "scrub": the loss on the forget set
EPOCHS = 6
LEARNING_RATE = 1e-3
BETA = 0.95  # weight of the retain set; 1 - BETA is the forget set's
RHO = 0.9  # weight of the newest gradient in the running second moment
ADD_ON = "mask"  # or "focus", or "" for the projection alone
THRESHOLD = 0.4  # of the mask: least probability of one sign


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = copy.deepcopy(net).eval().requires_grad_(False)
    weights = list(net.parameters())
    agreements = [Agreement() for _ in weights]
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    kept = endless(retain)
    net.train()
    for _ in range(EPOCHS):
        for batch in forget:
            retain_loss, forget_loss = losses(net, teacher, next(kept), batch, device)
            gradients = zip(torch.autograd.grad(retain_loss, weights), torch.autograd.grad(forget_loss, weights))
            for weight, agreement, pair in zip(weights, agreements, gradients):
                share = added(agreement(*pair))
                retain_gradient, forget_gradient = (share * gradient for gradient in pair)
                update = BETA * retain_gradient + (1 - BETA) * forget_gradient
                weight.grad = update * agreeing(retain_gradient, forget_gradient)
            optimizer.step()
    net.eval()
    return net


def added(probability):
    """The share of its gradients that each entry keeps by ADD_ON, from the probability that both agree on it."""
    if ADD_ON == "mask":
        return (probability >= THRESHOLD).to(probability.dtype)
    return probability if ADD_ON == "focus" else torch.ones_like(probability)


def agreeing(retain_gradient, forget_gradient):
    """1 for the entries that stay: without the fewest contradicting ones, neither loss rises to first order."""
    forget_weight = 1 - BETA
    product = (retain_gradient * forget_gradient).flatten()
    order = product.argsort()  # the most contradicting first
    remaining = [
        values.flatten()[order].flip(0).cumsum(0).flip(0)  # sums over what stays when the first k are left out
        for values in (forget_gradient.square(), retain_gradient.square(), product)
    ]
    smaller = torch.minimum(forget_weight / BETA * remaining[0], BETA / forget_weight * remaining[1])
    helps = torch.cat((smaller + remaining[2] >= 0, product.new_ones(1, dtype=torch.bool)))  # nothing left: no step
    stays = torch.ones_like(product)
    stays[order[: int(helps.int().argmax())]] = 0
    return stays.view_as(retain_gradient)


def losses(net, teacher, kept, gone, device):
    """The retain loss and the forget loss of BASE, both to be made smaller."""
    retain_inputs, retain_targets = (part.to(device) for part in kept)
    inputs, targets = (part.to(device) for part in gone)
    retain_outputs, outputs = net(retain_inputs), net(inputs)
    retain_loss = F.cross_entropy(retain_outputs, retain_targets)
    if BASE == "srl":
        return retain_loss, F.cross_entropy(outputs, wrong_labels(targets, outputs.shape[1]))
    if BASE == "scrub":
        retain_loss = retain_loss + divergence(teacher(retain_inputs), retain_outputs)
        return retain_loss, -divergence(teacher(inputs), outputs)
    return retain_loss, -F.cross_entropy(outputs, targets)


class Agreement:
    """How likely it is that both gradients of a tensor have one sign, entry by entry, in (0, 1)."""

    def __init__(self):
        self.moments = {}

    def __call__(self, retain_gradient, forget_gradient):
        p_retain, p_forget = self.positive("retain", retain_gradient), self.positive("forget", forget_gradient)
        return p_forget * p_retain + (1 - p_forget) * (1 - p_retain)

    def positive(self, name, gradient):
        """The probability that the gradient is positive: normal, with its running second moment as variance."""
        square, before = gradient.square(), self.moments.get(name)
        self.moments[name] = (1 - RHO) * square if before is None else RHO * square + (1 - RHO) * before
        return torch.special.ndtr(gradient / (self.moments[name] + 1e-8).sqrt())


def divergence(teacher, student):
    """KL(teacher || student) of two batches of logits."""
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)


def wrong_labels(targets, classes):
    return (targets + torch.randint_like(targets, 1, classes)) % classes


def endless(loader):
    while True:
        yield from loader
