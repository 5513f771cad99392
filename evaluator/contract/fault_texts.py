"""The sentences that say what to do about a fault, with the names of the limits behind it."""

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec

_TEXTS: dict[FaultCode, str] = {
    FaultCode.EMPTY_FILE: "The file is empty. Upload a Python file that defines unlearning(net, retain, forget, validation).",
    FaultCode.FILE_TOO_LARGE: "The file is larger than this competition allows. Upload source code only, no weights or data.",
    FaultCode.NOT_UTF8: "The file is not UTF-8 text. Save it as UTF-8 and upload the .py or .ipynb file, not an archive.",
    FaultCode.SYNTAX_ERROR: "Python cannot parse the file. Correct the line that is named.",
    FaultCode.TOO_COMPLEX: "The file takes too long or too much memory to parse. Shorten very long or deeply nested expressions.",
    FaultCode.INVALID_NOTEBOOK: "The .ipynb file is not a Python notebook of format 4. Save it again in Jupyter, or upload a .py file.",
    FaultCode.NO_UNLEARNING: "The file defines no function called unlearning. Define unlearning(net, retain, forget, validation).",
    FaultCode.WRONG_PARAMETERS: "The parameters of unlearning cannot be told apart. Write unlearning(net, retain, forget, validation), or names that say which loader is which.",
    FaultCode.INVALID_METADATA: "The '# /// script' block is not valid PEP 723 metadata. List names and version specifiers only.",
    FaultCode.DEPENDENCY_NOT_ALLOWED: "The script block names a package that this competition does not install. Use the packages that it lists.",
    FaultCode.DEPENDENCY_UNKNOWN: "The script block needs a package that the package index does not have. Correct its name.",
    FaultCode.DEPENDENCY_CONFLICT: "The packages of the script block cannot be installed beside those that are here. Ask for other versions, or for none.",
    FaultCode.DEPENDENCY_SOURCE_ONLY: "The script block needs a package that has no wheel for this environment. Nothing is built here: ask for a version with wheels.",
    FaultCode.DEPENDENCY_SHADOWS: "A package of the script block brings a module that the environment has already. Leave that package out.",
    FaultCode.DEPENDENCY_TOO_LARGE: "The packages of the script block take more space than the limit. Name fewer or smaller packages.",
    FaultCode.DEPENDENCY_TIMEOUT: "Installing the packages of the script block took longer than the limit. Name fewer or smaller packages.",
    FaultCode.IMPORT_ERROR: "A module that the file imports is not installed here. Use the packages of the competition page, name others in a '# /// script' block, and put functions of your own modules into the file.",
    FaultCode.EXCEPTION: "The submission raised an exception. The output of the check stage shows where; `lethe check FILE` shows it before uploading.",
    FaultCode.EXIT: "The submission ended the process (sys.exit or os._exit). Return the network instead.",
    FaultCode.TIMEOUT: "A run took longer than the limit. Do fewer epochs or smaller steps.",
    FaultCode.OUT_OF_MEMORY: "A run used more memory than the limit. Use smaller batches and keep fewer copies of the model.",
    FaultCode.PROCESS_LIMIT: "A run started more processes or threads than the limit. Use num_workers of 0 to 2.",
    FaultCode.OUTPUT_LIMIT: "A run wrote more than the limit. Print less; only the state dict of the original architecture is taken back.",
    FaultCode.KILLED: "A run was killed by a signal: a crash in native code or a system call that the sandbox forbids.",
    FaultCode.NO_RESULT: "unlearning returned something other than a network or None. Return the network, or change it in place.",
    FaultCode.INVALID_RESULT: "The network's state dict could not be read back. Return a plain torch.nn.Module with dense parameters.",
    FaultCode.WRONG_ARCHITECTURE: "The state dict does not fit the original architecture. Keep all names and shapes of the network.",
    FaultCode.NOT_FINITE: "The unlearned network has NaN or infinite weights or outputs. Lower the learning rate or clip gradients.",
    FaultCode.EVALUATION_TIMEOUT: "Computing the network's outputs took longer than the limit. Avoid denormal or extreme weights.",
    FaultCode.PLATFORM: "Lethe failed to evaluate this submission. It costs no quota; the host was told.",
    FaultCode.CANCELLED: "The submission was cancelled before it was scored.",
}


def _with_limits(code: FaultCode, text: str) -> str:
    limits = [limit for kind in (LimitsSpec, DependenciesSpec) for limit in limits_of(kind).values()]
    labels = [limit.label for limit in limits if limit.ends is code and not limit.hidden]
    if not labels or code is FaultCode.PLATFORM:  # participants can do nothing about a fault of the platform
        return text
    return f"{text} {'Limit' if len(labels) == 1 else 'Limits'}: {', '.join(labels)}."


FAULT_TEXTS = {code: _with_limits(code, text) for code, text in _TEXTS.items()}
