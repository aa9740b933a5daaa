"""The deployment of a folder with the patches of its component in it, merged as kustomize's strategic merge does: maps by key,
lists of things with a name by that name."""

import sys

import yaml


def merge(to, patch):
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(to.setdefault(key, {}), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            known = to.setdefault(key, [])
            name = "mountPath" if "mountPath" in value[0] else "name"
            for item in value:
                same = [other for other in known if other[name] == item[name]]
                if same:
                    merge(same[0], item)
                else:
                    known.append(item)
        else:
            to[key] = value


folder = sys.argv[1]
with open(folder + "/deployment.yaml") as file:
    deployment = yaml.safe_load(file)
with open(folder + "/component/kustomization.yaml") as file:
    component = yaml.safe_load(file)
assert (component["apiVersion"], component["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component"), component
for patch in component["patches"]:
    label, value = patch["target"]["labelSelector"].split("=")
    assert deployment["metadata"]["labels"][label] == value, deployment["metadata"]
    merge(deployment, yaml.safe_load(patch["patch"]))
yaml.safe_dump(deployment, sys.stdout)
