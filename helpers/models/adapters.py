"""What peft does not check: call these after its own functions.

`check(model)` after `get_peft_model`, `sign(model, folder)` after `save_pretrained`,
and `check(model, folder)` after `PeftModel.from_pretrained`.
"""

import hashlib
import json
import re
from pathlib import Path

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from helpers import paths

BASE = "base.json"  # beside a saved adapter: the name and fingerprint of its base


class AdapterError(ValueError):
    """An adapter does not do what was meant; the message says why and what to do."""


def check(model, folder=None) -> None:
    """Raise AdapterError if an adapter is not what its configuration seems to say.

    Each target must name layers of one role, a rank of LoRA fit into its matrix (Hu et
    al. 2021), a classifier's head be trained and saved. With `folder`, in which `sign`
    left its note, the base model must be the one of training.
    """
    base = model.get_base_model()
    for config in model.peft_config.values():
        targets = getattr(config, "target_modules", None)
        if targets and not isinstance(targets, str):  # peft refuses a wrong pattern
            _check_targets(model, targets)
    for name, layer in base.named_modules():
        for rank in layer.r.values() if hasattr(layer, "lora_A") else ():
            most = min(layer.in_features, layer.out_features)
            if not 1 <= rank <= most:
                raise AdapterError(f"Rank {rank} for {name}: choose 1 to {most}.")
    used = {n.split(".")[0] for n, p in base.named_parameters() if p.requires_grad}
    used |= {n.split(".")[0] for n, _ in base.named_modules() if "_to_save" in n}
    for head in {"classifier", "score"} & {name for name, _ in base.named_children()}:
        if head not in used:
            remedy = f'set task_type="SEQ_CLS" or modules_to_save=["{head}"]'
            raise AdapterError(f"The head {head} is not trained or saved: {remedy}.")
    if folder is not None:
        file = Path(folder) / BASE
        if not file.is_file():
            raise AdapterError(f"There is no {BASE} beside the adapter: sign it.")
        note = json.loads(file.read_text(encoding="utf-8"))
        if fingerprint(model) != note["sha256"]:
            wanted = f"{note['base']}: load that one, in the same precision"
            raise AdapterError(f"The adapter was trained on another base, {wanted}.")


def sign(model, folder) -> None:
    """Note beside an adapter, saved and not merged, which base model it belongs to.

    Of a local path of the base the last part is left, in all that peft has written.
    Raises AdapterError where there is no adapter.
    """
    file = Path(folder) / "adapter_config.json"
    if not file.is_file():
        raise AdapterError(f"There is no adapter in {folder}: call save_pretrained.")
    config = json.loads(file.read_text(encoding="utf-8"))
    path = config["base_model_name_or_path"] or ""
    name = Path(path).name if Path(path).is_dir() else path
    paths.write(file, json.dumps(config | {"base_model_name_or_path": name}, indent=2))
    if path and (card := file.with_name("README.md")).is_file():
        paths.write(card, card.read_text(encoding="utf-8").replace(path, name))
    note = {"base": name, "sha256": fingerprint(model)}
    paths.write(file.with_name(BASE), json.dumps(note, indent=2))


def fingerprint(model) -> str:
    """Return the SHA-256 of a base model's weights, without its adapters and head.

    It is another for another precision, and while an adapter is merged.
    """
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    found = hashlib.sha256()
    for name, tensor in sorted(base.base_model.state_dict().items()):
        if not _is_added(name, model):
            found.update(name.replace(".base_layer", "").encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            found.update(flat.view(torch.uint8).numpy())
    return found.hexdigest()


def _is_added(name: str, model) -> bool:
    added = {"original_module", *getattr(model, "peft_config", ())}
    return not added.isdisjoint(name.split("."))


def _check_targets(model, targets) -> None:
    modules = model.get_base_model().named_modules()
    layers = {n: m for n, m in modules if not _is_added(n, model)}
    layers = {n.removesuffix(".base_layer"): m for n, m in layers.items()}
    role = {name: re.split(r"\.\d+\.", name)[-1] for name in layers}
    linear = {n for n, each in layers.items() if isinstance(each, nn.Linear | Conv1D)}
    everything = linear <= {*model.base_model.targeted_module_names}
    for target in sorted(targets):
        roles = {role[n] for n in layers if n == target or n.endswith(f".{target}")}
        exist = ", ".join(sorted(roles or {role[name] for name in linear}))
        if not roles:
            raise AdapterError(f"No layer is called {target}. Choose from {exist}.")
        if len(roles) > 1 and not everything:
            raise AdapterError(f"{target} is ambiguous ({exist}): write a longer path.")
