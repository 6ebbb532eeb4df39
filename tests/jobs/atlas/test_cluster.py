"""An atlas on Ray's own local cluster: the same files as without, also when a node dies."""

import socket

import pytest

from protocore.errors import JobError
from protocore.jobs.atlas import make_atlas
from protocore.jobs.atlas.cluster import make_on_ray
from protocore.models.loading import load_classifier
from tests.jobs.atlas.makers import SPEC, contents, started

ray = pytest.importorskip("ray", reason="Ray is an optional extra")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(SPEC)


@pytest.fixture(scope="module")
def cluster():
    """A head without work and two nodes with one processor each."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [found.add_node(num_cpus=1) for _ in range(2)]
    yield found, nodes
    ray.shutdown()
    found.shutdown()


def test_a_model_that_workers_do_not_have_is_told(tmp_path, classifier, cluster):
    missing = type(SPEC)(kind="demo", architecture="demo", weights="nothing", device="cpu")
    with pytest.raises(JobError, match="nothing"):
        make_on_ray(started(tmp_path, classifier), missing, cluster[0].address)


def test_other_versions_are_told(tmp_path, classifier, cluster, monkeypatch):
    from protocore.jobs.atlas import cluster as module

    versions = {**module.library_versions(), "torch": "0.0.1"}
    monkeypatch.setattr(module, "library_versions", lambda: versions)
    with pytest.raises(JobError, match=r"torch .* instead of 0\.0\.1"):
        make_on_ray(started(tmp_path, classifier), SPEC, cluster[0].address)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:{free}", "127.0.0.1:99999"])
def test_an_address_without_a_cluster(tmp_path, classifier, address):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(JobError, match="--ray"):
        make_on_ray(started(tmp_path, classifier), SPEC, address.format(free=free))


def test_two_nodes_and_one_that_dies_give_the_same_files_as_none(tmp_path, classifier, cluster):
    found, nodes = cluster
    alone = started(tmp_path / "alone", classifier)
    make_atlas(alone, SPEC, classifier=classifier)
    atlas = started(tmp_path / "ray", classifier)
    killed = []

    def progress(made, _total, _text):
        if made and not killed:
            killed.append(made)
            found.remove_node(nodes[0], allow_graceful=False)

    assert make_on_ray(atlas, SPEC, found.address, progress=progress) == 0
    assert killed and killed[0] < 6, "the node died in the middle"
    assert contents(atlas) == contents(alone)
